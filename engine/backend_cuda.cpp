// A CUDA device: every op is a kernel (kernels/cuda/ops.h), in one stream.
#include <cuda_runtime.h>

#include <memory>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <vector>

#include "engine/backend.h"
#include "engine/device.h"
#include "engine/error.h"
#include "kernels/cuda/ops.h"

namespace sln {
namespace {

void check(cudaError_t error, const char* what) {
  if (error == cudaSuccess) return;
  const ErrorKind kind = error == cudaErrorMemoryAllocation ? ErrorKind::kOutOfMemory : ErrorKind::kInternal;
  fail(kind, "cuda: ", what, ": ", cudaGetErrorName(error), ": ", cudaGetErrorString(error));
}

// What the kernels refuse of a network is a limit of theirs: the CPU may run it.
template <typename Body>
auto within_limits(const Body& body) {
  try {
    return body();
  } catch (const std::invalid_argument& error) {
    fail(ErrorKind::kUnsupported, "device cuda: ", error.what(), ": the device cpu has no such limit");
  }
}

struct Destroy {
  void operator()(cudaStream_t stream) const { cudaStreamDestroy(stream); }
  void operator()(cudaEvent_t event) const { cudaEventDestroy(event); }
};
using Stream = std::unique_ptr<std::remove_pointer_t<cudaStream_t>, Destroy>;
using Event = std::unique_ptr<std::remove_pointer_t<cudaEvent_t>, Destroy>;

Stream make_stream() {
  cudaStream_t stream = nullptr;
  check(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking), "creating a stream");
  return Stream(stream);
}
Event make_event() {
  cudaEvent_t event = nullptr;
  check(cudaEventCreate(&event), "creating an event");
  return Event(event);
}

class CudaBackend final : public Backend {
 public:
  CudaBackend() : stream_(make_stream()) {
    for (Event& moment : moments_) moment = make_event();
  }
  ~CudaBackend() override { cudaStreamSynchronize(stream_.get()); }

  size_t scratch_bytes(const Op& op) const override {
    return within_limits([&] { return std::visit([](const auto& one) { return cuda::scratch_bytes(one); }, op); });
  }
  void run(const Op& op, void* scratch) override {
    const int error = std::visit([&](const auto& one) { return cuda::run(one, scratch, stream_.get()); }, op);
    check(static_cast<cudaError_t>(error), "a launch");
  }
  void poison(void* memory, size_t bytes) override {
    check(cudaMemsetAsync(memory, 0xFF, bytes, stream_.get()), "a memset");
  }

  int flights() const override { return 1; }
  void fetch(int /*flight*/, void* block, size_t bytes) override {
    block_.resize((bytes + sizeof(double) - 1) / sizeof(double));
    check(cudaMemcpyAsync(block_.data(), block, bytes, cudaMemcpyDeviceToHost, stream_.get()), "a copy to the host");
  }
  void* wait(int /*flight*/) override {
    check(cudaStreamSynchronize(stream_.get()), "waiting for an image");
    return block_.data();
  }
  void mark(int /*flight*/, int moment) override {
    check(cudaEventRecord(moments_[moment].get(), stream_.get()), "an event");
  }
  double seconds(int /*flight*/, int from, int to) override {
    float milliseconds = 0;
    check(cudaEventElapsedTime(&milliseconds, moments_[from].get(), moments_[to].get()), "the time between two events");
    return milliseconds / 1e3;
  }
  void read(void* to, const void* from, size_t bytes) override {
    check(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToHost, stream_.get()), "a copy to the host");
    check(cudaStreamSynchronize(stream_.get()), "waiting for a copy");
  }
  double measure_peak_flops() override {
    fail(ErrorKind::kUnsupported, "the peak: expected the device cpu, whose peak can be measured, found cuda");
  }

 private:
  Stream stream_;
  std::vector<double> block_;  // what was fetched; doubles, so that whatever lies in it is aligned
  Event moments_[kMoments];
};

class CudaDevice final : public Device {
 public:
  CudaDevice() {
    int count = 0;
    const cudaError_t error = cudaGetDeviceCount(&count);
    if (error == cudaErrorInsufficientDriver)  // what the runtime says where there is none, too
      fail(ErrorKind::kUnsupported,
           "device cuda: expected a driver that this build's CUDA can use, found none or an older one");
    if (error == cudaErrorNoDevice || (error == cudaSuccess && count == 0))
      fail(ErrorKind::kUnsupported, "device cuda: expected a CUDA device, found none");
    check(error, "counting devices");
    cudaDeviceProp properties = {};
    check(cudaGetDeviceProperties(&properties, 0), "reading a device's properties");
    isa_ = concat("sm_", properties.major, properties.minor);
  }

  const char* name() const override { return "cuda"; }
  const char* isa() const override { return isa_.c_str(); }
  std::string id() const override { return "cuda:0 " + isa_; }

  void* allocate(size_t bytes) override {
    void* memory = nullptr;
    check(cudaMalloc(&memory, bytes == 0 ? 1 : bytes), "allocating memory");
    return memory;
  }
  void release(void* memory) noexcept override { cudaFree(memory); }
  void upload(void* to, const void* from, size_t bytes) override {
    check(cudaMemcpy(to, from, bytes, cudaMemcpyHostToDevice), "a copy to the device");
    // It may return when the bytes have left the host's memory; engines' streams do not wait for this one.
    check(cudaStreamSynchronize(nullptr), "waiting for a copy to the device");
  }

  size_t packed_bytes(const ConvDesc& desc) const override {
    return within_limits([&] { return cuda::packed_bytes(desc); });
  }
  size_t packed_bytes(const DepthwiseDesc& desc) const override {
    return within_limits([&] { return cuda::packed_bytes(desc); });
  }
  PackedWeights pack(const ConvDesc& desc, const float* weights, const float* bias, void* to) override {
    return pack_and_upload(desc, weights, bias, to);
  }
  PackedWeights pack(const DepthwiseDesc& desc, const float* weights, const float* bias, void* to) override {
    return pack_and_upload(desc, weights, bias, to);
  }

  std::unique_ptr<Backend> open(cpu::ThreadPool& /*pool*/) override { return std::make_unique<CudaBackend>(); }

 private:
  template <typename Desc>
  PackedWeights pack_and_upload(const Desc& desc, const float* weights, const float* bias, void* to) {
    std::vector<float> host(cuda::packed_bytes(desc) / sizeof(float));
    const PackedWeights packed = cuda::pack(desc, weights, bias, host.data(), to);
    upload(to, host.data(), host.size() * sizeof(float));
    return packed;
  }

  std::string isa_;
};

}  // namespace

std::shared_ptr<Device> open_cuda_device() {
  return std::make_shared<CudaDevice>();
}

}  // namespace sln
