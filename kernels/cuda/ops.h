// The ops on CUDA, one file each. Needs no CUDA header: a stream is named as CUDA's own headers name it.
//
// A launcher throws std::invalid_argument where the op cannot be (a null pointer, a map past 32-bit offsets), and
// returns what the launch returned, a cudaError_t: 0 where it was accepted. It enqueues and does not wait.
#pragma once

#include <cstddef>

#include "kernels/conv.h"
#include "kernels/semdist.h"

struct CUstream_st;

namespace sln::cuda {

using Stream = CUstream_st*;

// Bytes of the packed weights, bias included. Throws std::invalid_argument where desc is none.
size_t packed_bytes(const ConvDesc& desc);
// Packs into `host` (packed_bytes(desc)) what is to be copied to `device`, 64-byte aligned, to which the result points.
// weights: canonical OIHW; bias: out floats or null.
PackedWeights pack(const ConvDesc& desc, const float* weights, const float* bias, void* host, void* device);

int run(const ConvOp& op, void* scratch, Stream stream);
int run(const SoftmaxOp& op, void* scratch, Stream stream);

}  // namespace sln::cuda
