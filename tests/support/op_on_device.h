// Runs an op whose buffers lie on the host on the CUDA device that is compiled in: the emulator, in the tests.
#pragma once

#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <vector>

#include "kernels/cuda/device_api.cuh"
#include "tests/support/op_spans.h"

namespace sln_test {

inline void require_cuda(cudaError_t error, const char* what) {
  if (error != cudaSuccess) throw std::runtime_error(std::string(what) + ": " + cudaGetErrorString(error));
}

// Device memory with a copy of bytes of the host. It is exactly as large, and aligned exactly as the host's up to the
// largest vector: what is misaligned there shall not happen to be aligned here.
class OnDevice {
 public:
  OnDevice(const void* host, size_t bytes) : lead_(reinterpret_cast<uintptr_t>(host) % kVector), bytes_(bytes) {
    require_cuda(cudaMalloc(&memory_, lead_ + bytes), "cudaMalloc");
    if (cudaMemcpy(data(), host, bytes, cudaMemcpyHostToDevice) == cudaSuccess) return;
    cudaFree(memory_);
    throw std::runtime_error("a copy to the device failed");
  }
  OnDevice(const OnDevice&) = delete;
  OnDevice& operator=(const OnDevice&) = delete;
  ~OnDevice() { cudaFree(memory_); }

  std::byte* data() const { return static_cast<std::byte*>(memory_) + lead_; }
  std::vector<std::byte> host() const {
    std::vector<std::byte> bytes(bytes_);
    require_cuda(cudaMemcpy(bytes.data(), data(), bytes_, cudaMemcpyDeviceToHost), "a copy from the device");
    return bytes;
  }

 private:
  static constexpr size_t kVector = 16;  // bytes
  void* memory_ = nullptr;
  size_t lead_;
  size_t bytes_;
};

// Runs `run`, which takes the op with pointers of the device and enqueues it, and returns its cudaError_t, or the
// device's. The host's memory is then as the device's. Throws what `run` throws, and as bring_back().
template <typename Op, typename Run>
int run_on_device(const Op& op, const Run& run) {
  return run_on_spans<OnDevice>(op, [&](const Op& moved) -> int {
    const int error = run(moved);
    return error != cudaSuccess ? error : cudaDeviceSynchronize();
  });
}

}  // namespace sln_test
