// The runtime API but for launches: every call is done when it returns, and fails once a launch has failed.
#include <cstdio>
#include <cstring>
#include <string>

#include "emulator/runtime_api.h"
#include "tests/cuda_emulator/memory.h"
#include "tests/cuda_emulator/report.h"
#include "tests/cuda_emulator/shared_pool.h"
#include "tests/cuda_emulator/stream.h"

namespace emulator {
namespace {

// Whether these bytes are the device's, or else the host's, as a call says.
bool on_side(bool device, const void* pointer, size_t bytes) {
  const DeviceMemory& memory = DeviceMemory::instance();
  return bytes == 0 || (device ? memory.covers(pointer, bytes) : !memory.touches(pointer, bytes));
}

std::string describe(const char* side, const void* pointer, size_t bytes) {
  return std::string(side) + ": " + std::to_string(bytes) + " bytes from " + DeviceMemory::instance().describe(pointer);
}

cudaError_t copy(void* to, const void* from, size_t bytes, cudaMemcpyKind kind) {
  if (sticky_error() != cudaSuccess) return remember(sticky_error());
  const bool to_device = kind == cudaMemcpyHostToDevice || kind == cudaMemcpyDeviceToDevice;
  const bool from_device = kind == cudaMemcpyDeviceToHost || kind == cudaMemcpyDeviceToDevice;
  if (!on_side(to_device, to, bytes)) {
    return refuse(describe(to_device ? "copy to" : "copy to the host", to, bytes), cudaErrorInvalidValue);
  }
  if (!on_side(from_device, from, bytes)) {
    return refuse(describe(from_device ? "copy from" : "copy from the host", from, bytes), cudaErrorInvalidValue);
  }
  if (bytes != 0) std::memmove(to, from, bytes);
  return cudaSuccess;
}

cudaError_t set(void* to, int value, size_t bytes) {
  if (sticky_error() != cudaSuccess) return remember(sticky_error());
  if (!on_side(true, to, bytes)) return refuse(describe("memset", to, bytes), cudaErrorInvalidValue);
  if (bytes != 0) std::memset(to, value, bytes);
  return cudaSuccess;
}

// What most calls come to while everything is synchronous.
cudaError_t nothing_left_to_do(cudaStream_t stream = nullptr) {
  if (sticky_error() != cudaSuccess) return remember(sticky_error());
  return is_stream(stream) ? cudaSuccess : refuse("no such stream", cudaErrorInvalidResourceHandle);
}

}  // namespace
}  // namespace emulator

using emulator::nothing_left_to_do;
using emulator::refuse;
using emulator::remember;

cudaError_t cudaMalloc(void** pointer, size_t bytes) {
  *pointer = nullptr;
  if (emulator::sticky_error() != cudaSuccess) return remember(emulator::sticky_error());
  if (bytes == 0) return cudaSuccess;
  *pointer = emulator::DeviceMemory::instance().allocate(bytes);
  return remember(*pointer == nullptr ? cudaErrorMemoryAllocation : cudaSuccess);
}

// Frees even when the context is lost: the emulator's process goes on.
cudaError_t cudaFree(void* pointer) {
  if (pointer == nullptr) return remember(emulator::sticky_error());
  std::string damage;
  if (!emulator::DeviceMemory::instance().release(pointer, &damage)) {
    return refuse("cudaFree of what cudaMalloc has not given: " + emulator::DeviceMemory::instance().describe(pointer),
                  cudaErrorInvalidValue);
  }
  if (!damage.empty()) {
    emulator::report("found when it was freed: written " + damage);
    emulator::make_sticky(cudaErrorLaunchFailure);
  }
  return remember(emulator::sticky_error());
}

cudaError_t cudaMemcpy(void* to, const void* from, size_t bytes, cudaMemcpyKind kind) {
  return emulator::copy(to, from, bytes, kind);
}

cudaError_t cudaMemcpyAsync(void* to, const void* from, size_t bytes, cudaMemcpyKind kind, cudaStream_t stream) {
  const cudaError_t error = nothing_left_to_do(stream);
  return error != cudaSuccess ? error : emulator::copy(to, from, bytes, kind);
}

cudaError_t cudaMemcpy2DAsync(void* to, size_t to_pitch, const void* from, size_t from_pitch, size_t width,
                              size_t height, cudaMemcpyKind kind, cudaStream_t stream) {
  cudaError_t error = nothing_left_to_do(stream);
  if (error == cudaSuccess && (width > to_pitch || width > from_pitch)) {
    error = refuse("copy of rows that are wider than their pitch", cudaErrorInvalidValue);
  }
  for (size_t row = 0; row < height && error == cudaSuccess; ++row) {
    error = emulator::copy(static_cast<char*>(to) + row * to_pitch, static_cast<const char*>(from) + row * from_pitch,
                           width, kind);
  }
  return error;
}

cudaError_t cudaMemset(void* to, int value, size_t bytes) {
  return emulator::set(to, value, bytes);
}

cudaError_t cudaMemsetAsync(void* to, int value, size_t bytes, cudaStream_t stream) {
  const cudaError_t error = nothing_left_to_do(stream);
  return error != cudaSuccess ? error : emulator::set(to, value, bytes);
}

cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned int flags) {
  if (emulator::sticky_error() != cudaSuccess) return remember(emulator::sticky_error());
  if (flags != cudaStreamDefault && flags != cudaStreamNonBlocking) return remember(cudaErrorInvalidValue);
  *stream = emulator::make_stream();
  return cudaSuccess;
}

cudaError_t cudaStreamCreate(cudaStream_t* stream) {
  return cudaStreamCreateWithFlags(stream, cudaStreamDefault);
}

cudaError_t cudaStreamDestroy(cudaStream_t stream) {
  if (!emulator::destroy_stream(stream)) return remember(cudaErrorInvalidResourceHandle);
  return remember(emulator::sticky_error());
}

cudaError_t cudaStreamSynchronize(cudaStream_t stream) {
  return nothing_left_to_do(stream);
}

cudaError_t cudaDeviceSynchronize() {
  return nothing_left_to_do();
}

cudaError_t cudaGetDeviceCount(int* count) {
  *count = 1;
  return cudaSuccess;
}

cudaError_t cudaGetDevice(int* device) {
  *device = 0;
  return nothing_left_to_do();
}

cudaError_t cudaSetDevice(int device) {
  return device == 0 ? nothing_left_to_do() : remember(cudaErrorInvalidDevice);
}

cudaError_t cudaGetDeviceProperties(cudaDeviceProp* properties, int device) {
  if (device != 0) return remember(cudaErrorInvalidDevice);
  *properties = {};
  std::snprintf(properties->name, sizeof properties->name, "emulated");
  properties->totalGlobalMem = size_t{8} << 30;
  properties->sharedMemPerBlock = emulator::kSharedLimit;
  properties->warpSize = 32;
  properties->maxThreadsPerBlock = 1024;
  const int threads[] = {1024, 1024, 64};
  const int blocks[] = {0x7fffffff, 65535, 65535};
  std::memcpy(properties->maxThreadsDim, threads, sizeof threads);
  std::memcpy(properties->maxGridSize, blocks, sizeof blocks);
  properties->major = 6;  // the oldest that the kernels are written for
  properties->minor = 1;
  properties->multiProcessorCount = 1;
  return cudaSuccess;
}

const char* cudaGetErrorName(cudaError_t error) {
  switch (error) {
    case cudaSuccess:
      return "cudaSuccess";
    case cudaErrorInvalidValue:
      return "cudaErrorInvalidValue";
    case cudaErrorMemoryAllocation:
      return "cudaErrorMemoryAllocation";
    case cudaErrorInvalidConfiguration:
      return "cudaErrorInvalidConfiguration";
    case cudaErrorInsufficientDriver:
      return "cudaErrorInsufficientDriver";
    case cudaErrorInvalidDeviceFunction:
      return "cudaErrorInvalidDeviceFunction";
    case cudaErrorNoDevice:
      return "cudaErrorNoDevice";
    case cudaErrorInvalidDevice:
      return "cudaErrorInvalidDevice";
    case cudaErrorInvalidResourceHandle:
      return "cudaErrorInvalidResourceHandle";
    case cudaErrorLaunchFailure:
      return "cudaErrorLaunchFailure";
  }
  return "unrecognized error code";
}

const char* cudaGetErrorString(cudaError_t error) {
  switch (error) {
    case cudaSuccess:
      return "no error";
    case cudaErrorInvalidValue:
      return "invalid argument";
    case cudaErrorMemoryAllocation:
      return "out of memory";
    case cudaErrorInvalidConfiguration:
      return "invalid configuration argument";
    case cudaErrorInsufficientDriver:
      return "CUDA driver version is insufficient for CUDA runtime version";
    case cudaErrorInvalidDeviceFunction:
      return "invalid device function";
    case cudaErrorNoDevice:
      return "no CUDA-capable device is detected";
    case cudaErrorInvalidDevice:
      return "invalid device ordinal";
    case cudaErrorInvalidResourceHandle:
      return "invalid resource handle";
    case cudaErrorLaunchFailure:
      return "unspecified launch failure";
  }
  return "unrecognized error code";
}
