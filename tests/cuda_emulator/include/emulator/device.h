// What a kernel finds on the device: its place in the grid, barriers, warp primitives, shared memory.
// The line of every call is part of it: threads that meet must meet at the same line.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "emulator/vector_types.h"

#define __global__
#define __device__
#define __host__
#define __forceinline__ EMU_INLINE
#define __launch_bounds__(...)
#define __align__(n) alignas(n)

// Set at every switch between threads. initial-exec: a plain load where the code is in a shared library, too.
#define EMU_THREAD_LOCAL __thread __attribute__((tls_model("initial-exec")))
extern EMU_THREAD_LOCAL uint3 threadIdx;
extern EMU_THREAD_LOCAL uint3 blockIdx;
extern EMU_THREAD_LOCAL uint3 blockDim;
extern EMU_THREAD_LOCAL uint3 gridDim;
constexpr int warpSize = 32;

namespace emulator {

// A place in a kernel's source.
struct Site {
  const char* file = nullptr;
  int line = 0;
};

enum class Primitive : int {
  syncthreads,
  syncthreads_count,
  syncthreads_or,
  syncthreads_and,
  syncwarp,
  ballot,
  any,
  all,
  shfl,
  shfl_xor,
  shfl_up,
  shfl_down
};

// Of one SLN_SHARED in one instantiation; its address is the array's identity.
struct SharedSite {
  const char* name;
  size_t bytes;
  Site site;
};

// Waits for the whole block. Returns the number of threads whose predicate was not 0.
int barrier(Primitive primitive, int predicate, Site site);
// Waits for the lanes of mask. Returns the lanes whose predicate was not 0.
unsigned vote(Primitive primitive, unsigned mask, int predicate, Site site);
// Waits for the lanes of mask. Returns the bits that the source lane gave, poison where it is not in mask.
// argument: source lane, lane mask or distance.
uint64_t shuffle(Primitive primitive, unsigned mask, uint64_t bits, int argument, int width, Site site);

void* shared_array(const SharedSite& site);
void* dynamic_shared();
[[noreturn]] void misaligned(const void* pointer, size_t alignment, Site site);

EMU_INLINE void check_alignment(const void* pointer, size_t alignment, Site site) {
  if (reinterpret_cast<uintptr_t>(pointer) % alignment != 0) misaligned(pointer, alignment, site);
}

template <class T>
EMU_INLINE T shuffle_value(Primitive primitive, unsigned mask, T value, int argument, int width, Site site) {
  static_assert(sizeof(T) <= sizeof(uint64_t), "a shuffle moves 4 or 8 bytes");
  uint64_t bits = 0;
  std::memcpy(&bits, &value, sizeof value);
  bits = shuffle(primitive, mask, bits, argument, width, site);
  std::memcpy(&value, &bits, sizeof value);
  return value;
}

}  // namespace emulator

#define EMU_SITE const char *file = __builtin_FILE(), int line = __builtin_LINE()

EMU_INLINE void __syncthreads(EMU_SITE) {
  emulator::barrier(emulator::Primitive::syncthreads, 0, {file, line});
}
EMU_INLINE int __syncthreads_count(int predicate, EMU_SITE) {
  return emulator::barrier(emulator::Primitive::syncthreads_count, predicate, {file, line});
}
EMU_INLINE int __syncthreads_or(int predicate, EMU_SITE) {
  return emulator::barrier(emulator::Primitive::syncthreads_or, predicate, {file, line}) != 0;
}
EMU_INLINE int __syncthreads_and(int predicate, EMU_SITE) {
  return emulator::barrier(emulator::Primitive::syncthreads_and, predicate == 0, {file, line}) == 0;
}

EMU_INLINE void __syncwarp(unsigned mask = 0xffffffffu, EMU_SITE) {
  emulator::vote(emulator::Primitive::syncwarp, mask, 0, {file, line});
}
EMU_INLINE unsigned __ballot_sync(unsigned mask, int predicate, EMU_SITE) {
  return emulator::vote(emulator::Primitive::ballot, mask, predicate, {file, line});
}
EMU_INLINE int __any_sync(unsigned mask, int predicate, EMU_SITE) {
  return emulator::vote(emulator::Primitive::any, mask, predicate, {file, line}) != 0;
}
EMU_INLINE int __all_sync(unsigned mask, int predicate, EMU_SITE) {
  return emulator::vote(emulator::Primitive::all, mask, predicate == 0, {file, line}) == 0;
}

template <class T>
EMU_INLINE T __shfl_sync(unsigned mask, T value, int lane, int width = warpSize, EMU_SITE) {
  return emulator::shuffle_value(emulator::Primitive::shfl, mask, value, lane, width, {file, line});
}
template <class T>
EMU_INLINE T __shfl_xor_sync(unsigned mask, T value, int lane_mask, int width = warpSize, EMU_SITE) {
  return emulator::shuffle_value(emulator::Primitive::shfl_xor, mask, value, lane_mask, width, {file, line});
}
template <class T>
EMU_INLINE T __shfl_up_sync(unsigned mask, T value, unsigned delta, int width = warpSize, EMU_SITE) {
  return emulator::shuffle_value(emulator::Primitive::shfl_up, mask, value, static_cast<int>(delta), width,
                                 {file, line});
}
template <class T>
EMU_INLINE T __shfl_down_sync(unsigned mask, T value, unsigned delta, int width = warpSize, EMU_SITE) {
  return emulator::shuffle_value(emulator::Primitive::shfl_down, mask, value, static_cast<int>(delta), width,
                                 {file, line});
}

template <class T>
EMU_INLINE T __ldg(const T* pointer, EMU_SITE) {
  emulator::check_alignment(pointer, alignof(T), {file, line});
  return *pointer;
}
#undef EMU_SITE
