// A device: memory, packed weights, and what engines run on. The engine knows devices only through this and backend.h.
#pragma once

#include <memory>
#include <string>

#include "kernels/conv.h"
#include "kernels/depthwise.h"

namespace sln {

class Backend;

// Outlives what was made with it. Any thread.
class Device {
 public:
  virtual ~Device() = default;

  virtual const char* name() const = 0;  // "cpu"
  virtual const char* isa() const = 0;   // instruction set or architecture in use

  // Devices of one id share memory and layouts, and so packed weights: "cpu avx512", "cuda:0 sm_61".
  virtual std::string id() const { return std::string(name()) + " " + isa(); }

  // Memory of the device, 64-byte aligned. Throws Error(kOutOfMemory) or std::bad_alloc.
  virtual void* allocate(size_t bytes) = 0;
  virtual void release(void* memory) noexcept = 0;
  // Copies from the host, and returns when that is done.
  virtual void upload(void* to, const void* from, size_t bytes) = 0;

  // Weights in the device's own layout. weights and bias lie on the host, `to`
  // (packed_bytes(desc)) on the device; bias may be null.
  virtual size_t packed_bytes(const ConvDesc& desc) const = 0;
  virtual size_t packed_bytes(const DepthwiseDesc& desc) const = 0;
  virtual PackedWeights pack(const ConvDesc& desc, const float* weights, const float* bias, void* to) = 0;
  virtual PackedWeights pack(const DepthwiseDesc& desc, const float* weights, const float* bias, void* to) = 0;

  // An engine's queue. The pool is the engine's, for what is computed on the host, and outlives the backend.
  virtual std::unique_ptr<Backend> open(cpu::ThreadPool& pool) = 0;
};

// A block of a device's memory.
class DeviceMemory {
 public:
  DeviceMemory() = default;
  DeviceMemory(Device& device, size_t bytes) : device_(&device), data_(device.allocate(bytes)), bytes_(bytes) {}
  DeviceMemory(DeviceMemory&& other) noexcept { swap(other); }
  DeviceMemory& operator=(DeviceMemory&& other) noexcept {
    DeviceMemory(static_cast<DeviceMemory&&>(other)).swap(*this);
    return *this;
  }
  ~DeviceMemory() {
    if (data_ != nullptr) device_->release(data_);
  }
  void* data() const { return data_; }
  size_t bytes() const { return bytes_; }

 private:
  void swap(DeviceMemory& other) noexcept {
    std::swap(device_, other.device_);
    std::swap(data_, other.data_);
    std::swap(bytes_, other.bytes_);
  }
  Device* device_ = nullptr;
  void* data_ = nullptr;
  size_t bytes_ = 0;
};

// Throws Error(kInvalidArgument) for a name that is not "auto", "cpu" or "cuda".
void check_device_name(const std::string& name);

// By such a name. Throws as that, and Error(kUnsupported) for a device that this build or machine does not have, or an
// instruction set that SLN_ISA names and the machine lacks: decoding runs on the CPU whatever the device is.
std::shared_ptr<Device> open_device(const std::string& name);

// Behind open_device, one file each. CUDA's is backend_cuda.cpp, or backend_no_cuda.cpp in a library without it: the
// linker chooses.
std::shared_ptr<Device> open_cpu_device();
std::shared_ptr<Device> open_cuda_device();

}  // namespace sln
