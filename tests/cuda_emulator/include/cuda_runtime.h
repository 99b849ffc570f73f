// The CUDA programming model on the CPU, for g++: what the project's kernels may use of CUDA and nothing more, so that
// what is missing here (__shared__, __activemask, fast intrinsics, textures ...) does not compile in the tests.
#pragma once

#if defined(__CUDACC__)
#error "the emulator's cuda_runtime.h must not be found by nvcc"
#endif
#if !defined(__x86_64__) || !defined(__linux__) || !defined(__GNUC__)
#error "the CUDA emulator switches stacks by hand: x86-64 Linux with g++ only"
#endif

#define SLN_CUDA_EMULATOR 1

#include "emulator/device.h"
#include "emulator/intrinsics.h"
#include "emulator/runtime_api.h"
