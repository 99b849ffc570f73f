// The only way to launch a kernel: no <<<>>>, so that a kernel file is plain C++ for the emulator.
#pragma once

#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "kernels/cuda/device_api.cuh"

namespace sln::cuda {

// Blocks of `block` threads for at least `threads` threads in all.
inline dim3 grid_for(int64_t threads, int block) {
  return dim3(static_cast<unsigned>((threads + block - 1) / block));
}

// Of all threads of such a grid.
__device__ __forceinline__ int thread_number() {
  return static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
}

// Keeps a parameter out of the deduction, so that an unsigned or a size_t converts to the kernel's int.
template <class T>
struct Same {
  using type = T;
};

// A kernel takes one params struct and at most three ints more. Enqueues it; says only whether it could be enqueued.
template <class Params, class... Ints>
cudaError_t launch(void (*kernel)(Params, Ints...), dim3 grid, dim3 block, size_t dynamic_bytes, cudaStream_t stream,
                   const typename Same<Params>::type& params, typename Same<Ints>::type... ints) {
  static_assert(std::is_trivially_copyable_v<Params>, "params are copied byte by byte to the device");
  static_assert(sizeof...(Ints) <= 3 && (std::is_same_v<Ints, int> && ...), "a params struct, then at most three ints");
  void* arguments[] = {const_cast<Params*>(&params), &ints...};
  return cudaLaunchKernel(SLN_KERNEL(kernel), grid, block, arguments, dynamic_bytes, stream);
}

}  // namespace sln::cuda
