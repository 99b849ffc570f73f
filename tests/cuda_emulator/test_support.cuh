// What the emulator's own tests share: device arrays, and launches that are expected to break a rule.
#pragma once

#include <catch2/catch.hpp>
#include <cstddef>
#include <string>
#include <vector>

#include "emulator/control.h"
#include "kernels/cuda/launch.cuh"

namespace emulator {

using sln::cuda::kAllLanes;
using sln::cuda::launch;
using sln::cuda::vec;

// n elements of device memory.
template <class T>
class DeviceArray {
 public:
  explicit DeviceArray(size_t n) : size_(n) { REQUIRE(cudaMalloc(&data_, n * sizeof(T)) == cudaSuccess); }
  ~DeviceArray() { cudaFree(data_); }
  DeviceArray(const DeviceArray&) = delete;
  DeviceArray& operator=(const DeviceArray&) = delete;

  T* data() const { return data_; }
  std::vector<T> host() const {
    std::vector<T> values(size_);
    REQUIRE(cudaMemcpy(values.data(), data_, size_ * sizeof(T), cudaMemcpyDeviceToHost) == cudaSuccess);
    return values;
  }

 private:
  T* data_ = nullptr;
  size_t size_;
};

inline const char* const kOrders[] = {"up", "down", "1", "2", "3", "4"};

// Runs what in several orders. A random seed is not among them, but every launch outside has one.
template <class What>
void in_every_order(const What& what) {
  for (const char* order : kOrders) {
    CAPTURE(order);
    set_order(order);
    what();
  }
  set_order("");
}

// The report of a launch that must break a rule; the emulator works again afterwards.
template <class Launch>
std::string broken(const Launch& run) {
  reset();
  CHECK(run() == cudaErrorLaunchFailure);
  CHECK(cudaDeviceSynchronize() == cudaErrorLaunchFailure);
  const std::string text = last_report();
  CHECK(text.find("EMU_ORDER=") != std::string::npos);
  reset();
  CHECK(cudaDeviceSynchronize() == cudaSuccess);
  return text;
}

}  // namespace emulator
