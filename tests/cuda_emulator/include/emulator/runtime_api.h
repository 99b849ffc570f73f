// The runtime API, synchronous: every call has done its work when it returns.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <tuple>
#include <type_traits>
#include <utility>

#include "emulator/vector_types.h"

enum cudaError_t {
  cudaSuccess = 0,
  cudaErrorInvalidValue = 1,
  cudaErrorMemoryAllocation = 2,
  cudaErrorInvalidConfiguration = 9,
  cudaErrorInsufficientDriver = 35,
  cudaErrorInvalidDeviceFunction = 98,
  cudaErrorNoDevice = 100,
  cudaErrorInvalidDevice = 101,
  cudaErrorInvalidResourceHandle = 400,
  cudaErrorLaunchFailure = 719
};
// Without cudaMemcpyDefault: a copy says where both sides are, and that is checked.
enum cudaMemcpyKind {
  cudaMemcpyHostToHost = 0,
  cudaMemcpyHostToDevice = 1,
  cudaMemcpyDeviceToHost = 2,
  cudaMemcpyDeviceToDevice = 3
};
constexpr unsigned int cudaStreamDefault = 0;
constexpr unsigned int cudaStreamNonBlocking = 1;
using cudaStream_t = struct CUstream_st*;
using cudaEvent_t = struct CUevent_st*;

struct cudaDeviceProp {
  char name[256];
  size_t totalGlobalMem;
  size_t sharedMemPerBlock;
  int warpSize;
  int maxThreadsPerBlock;
  int maxThreadsDim[3];
  int maxGridSize[3];
  int major, minor;
  int multiProcessorCount;
};
struct cudaFuncAttributes {
  size_t sharedSizeBytes, constSizeBytes, localSizeBytes;
  int maxThreadsPerBlock, numRegs;
};

const char* cudaGetErrorName(cudaError_t error);
const char* cudaGetErrorString(cudaError_t error);
cudaError_t cudaGetLastError();
cudaError_t cudaPeekAtLastError();

cudaError_t cudaGetDeviceCount(int* count);
cudaError_t cudaGetDevice(int* device);
cudaError_t cudaSetDevice(int device);
cudaError_t cudaGetDeviceProperties(cudaDeviceProp* properties, int device);
cudaError_t cudaDeviceSynchronize();

cudaError_t cudaMalloc(void** pointer, size_t bytes);
cudaError_t cudaFree(void* pointer);
cudaError_t cudaMemcpy(void* to, const void* from, size_t bytes, cudaMemcpyKind kind);
cudaError_t cudaMemcpyAsync(void* to, const void* from, size_t bytes, cudaMemcpyKind kind,
                            cudaStream_t stream = nullptr);
// pitch: bytes from row to row; width: bytes of a row that are copied.
cudaError_t cudaMemcpy2DAsync(void* to, size_t to_pitch, const void* from, size_t from_pitch, size_t width,
                              size_t height, cudaMemcpyKind kind, cudaStream_t stream = nullptr);
cudaError_t cudaMemset(void* to, int value, size_t bytes);
cudaError_t cudaMemsetAsync(void* to, int value, size_t bytes, cudaStream_t stream = nullptr);
template <class T>
EMU_INLINE cudaError_t cudaMalloc(T** pointer, size_t bytes) {
  void* allocated = nullptr;
  const cudaError_t error = cudaMalloc(&allocated, bytes);
  *pointer = static_cast<T*>(allocated);
  return error;
}

cudaError_t cudaStreamCreate(cudaStream_t* stream);
cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned int flags);
cudaError_t cudaStreamDestroy(cudaStream_t stream);
cudaError_t cudaStreamSynchronize(cudaStream_t stream);
cudaError_t cudaEventCreate(cudaEvent_t* event);
cudaError_t cudaEventDestroy(cudaEvent_t event);
cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream = nullptr);
cudaError_t cudaEventElapsedTime(float* milliseconds, cudaEvent_t from, cudaEvent_t to);

namespace emulator {

// A kernel with its arguments; run() is one thread's life.
class KernelCall {
 public:
  virtual ~KernelCall() = default;
  virtual void run() const = 0;
};

template <class... P>
class TypedKernelCall final : public KernelCall {
 public:
  TypedKernelCall(void (*kernel)(P...), const P&... arguments) : kernel_(kernel), arguments_(arguments...) {}
  void run() const override { std::apply(kernel_, arguments_); }

 private:
  void (*kernel_)(P...);
  std::tuple<P...> arguments_;
};

struct LaunchShape {
  dim3 grid, block;
  size_t dynamic_bytes = 0;
};

cudaError_t enqueue(const LaunchShape& shape, std::unique_ptr<const KernelCall> call, cudaStream_t stream);
cudaError_t function_attributes(cudaFuncAttributes* attributes);

template <class... P, size_t... I>
EMU_INLINE std::unique_ptr<const KernelCall> make_call(void (*kernel)(P...), void** arguments,
                                                       std::index_sequence<I...>) {
  if (kernel == nullptr) return nullptr;
  return std::make_unique<TypedKernelCall<P...>>(kernel, *static_cast<const P*>(arguments[I])...);
}

}  // namespace emulator

// As the template of the same name in CUDA's header, so that the launching code is one for both: arguments[i] points at
// the kernel's i-th argument, which is copied before the call returns.
template <class... P>
EMU_INLINE cudaError_t cudaLaunchKernel(void (*kernel)(P...), dim3 grid, dim3 block, void** arguments,
                                        size_t dynamic_bytes = 0, cudaStream_t stream = nullptr) {
  static_assert((std::is_trivially_copyable_v<P> && ...), "a kernel's arguments are copied byte by byte");
  return emulator::enqueue({grid, block, dynamic_bytes},
                           emulator::make_call(kernel, arguments, std::index_sequence_for<P...>()), stream);
}

template <class... P>
EMU_INLINE cudaError_t cudaFuncGetAttributes(cudaFuncAttributes* attributes, void (*)(P...)) {
  return emulator::function_attributes(attributes);
}
