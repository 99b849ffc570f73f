// Where a kernel file meets CUDA, the only one: the real runtime under nvcc, the tests' emulator under g++.
//
// SLN_SHARED(type, name, dims)   an array in shared memory, e.g. SLN_SHARED(float, tile, [2][8][128]); 16-byte aligned
// SLN_DYN_SHARED(type, name)     a pointer to the launch's dynamic shared memory, 16-byte aligned
// SLN_KERNEL(kernel)             a kernel as cudaLaunchKernel takes it: CUDA 11's template takes no function
// SLN_UNROLL(n)                  before a loop; n is chosen by the spill table of the real compiler
// vec<float4>(pointer)[i]        a pointer seen as vectors; read into a local before a component is used
#pragma once

#include <cuda_runtime.h>

#include <cstddef>
#include <type_traits>

#define SLN_PRAGMA(text) _Pragma(#text)

// A machine may have CUDA's headers in g++'s own path: that they were not found instead of the emulator's is proven.
#if defined(__CUDACC__)

#if defined(SLN_CUDA_EMULATOR)
#error "nvcc found the emulator's cuda_runtime.h"
#endif
#define SLN_SHARED(type, name, dims) __shared__ __align__(16) type name dims
#define SLN_DYN_SHARED(type, name)                                    \
  extern __shared__ __align__(16) unsigned char sln_dynamic_shared[]; \
  type* const name = reinterpret_cast<type*>(sln_dynamic_shared)
#define SLN_KERNEL(kernel) reinterpret_cast<const void*>(kernel)
#define SLN_UNROLL(n) SLN_PRAGMA(unroll n)

namespace sln::cuda {

template <class V, class T>
__device__ __forceinline__ auto vec(T* pointer) {
  return reinterpret_cast<std::conditional_t<std::is_const_v<T>, const V, V>*>(pointer);
}

}  // namespace sln::cuda

#else

#if !defined(SLN_CUDA_EMULATOR)
#error "g++ found a cuda_runtime.h that is not the emulator's: tests/cuda_emulator/include must come first"
#endif
#define SLN_SHARED(type, name, dims)                                                              \
  typedef type name##_type dims;                                                                  \
  static ::emulator::SharedSite name##_site = {#name, sizeof(name##_type), {__FILE__, __LINE__}}; \
  name##_type& name = *static_cast<name##_type*>(::emulator::shared_array(name##_site))
#define SLN_DYN_SHARED(type, name) type* const name = static_cast<type*>(::emulator::dynamic_shared())
#define SLN_KERNEL(kernel) kernel
#define SLN_UNROLL(n) SLN_PRAGMA(GCC unroll 1)  // unrolled, g++ would not vectorise what is left

namespace sln::cuda {

template <class V, class T>
EMU_INLINE auto vec(T* pointer, const char* file = __builtin_FILE(), int line = __builtin_LINE()) {
  ::emulator::check_alignment(pointer, alignof(V), {file, line});
  return reinterpret_cast<std::conditional_t<std::is_const_v<T>, const V, V>*>(pointer);
}

}  // namespace sln::cuda

#endif

namespace sln::cuda {

constexpr int kWarp = 32;
constexpr unsigned int kAllLanes = 0xffffffffu;

}  // namespace sln::cuda
