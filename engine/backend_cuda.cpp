// A CUDA device. Ops that have a kernel yet (kernels/cuda/ops.h) run as such; the others run the CPU's code on the
// device's memory, which only the tests' emulator shares with the host. So this file is not part of a library for cards
// until every op has a kernel.
#include <cuda_runtime.h>

#include <chrono>
#include <string>
#include <type_traits>
#include <vector>

#include "engine/backend.h"
#include "engine/device.h"
#include "engine/error.h"
#include "kernels/cpu/parallel.h"
#include "kernels/cuda/device_api.cuh"
#include "kernels/cuda/ops.h"

namespace sln {
namespace {

static_assert(cuda::kEmulated, "ops without a kernel would touch a card's memory from the host");

void check(cudaError_t error, const char* what) {
  if (error == cudaSuccess) return;
  const ErrorKind kind = error == cudaErrorMemoryAllocation ? ErrorKind::kOutOfMemory : ErrorKind::kInternal;
  fail(kind, "cuda: ", what, ": ", cudaGetErrorName(error), ": ", cudaGetErrorString(error));
}

template <typename T>
constexpr bool kHasKernel = std::is_same_v<T, ConvOp> || std::is_same_v<T, SoftmaxOp>;

class CudaBackend final : public Backend {
 public:
  explicit CudaBackend(cpu::ThreadPool& pool) : pool_(pool) {
    check(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking), "creating a stream");
  }
  ~CudaBackend() override {
    cudaStreamSynchronize(stream_);
    cudaStreamDestroy(stream_);
  }

  size_t scratch_bytes(const Op& op) const override {
    return std::visit(
        [&](const auto& one) -> size_t {
          if constexpr (kHasKernel<std::decay_t<decltype(one)>>) return 0;
          return cpu::scratch_bytes(one, pool_.threads());
        },
        op);
  }
  void run(const Op& op, void* scratch) override {
    std::visit([&](const auto& one) { run_one(one, scratch); }, op);
  }
  void poison(void* memory, size_t bytes) override { check(cudaMemsetAsync(memory, 0xFF, bytes, stream_), "a memset"); }

  int flights() const override { return 1; }
  void fetch(int /*flight*/, void* block, size_t bytes) override {
    block_.resize((bytes + sizeof(double) - 1) / sizeof(double));
    check(cudaMemcpyAsync(block_.data(), block, bytes, cudaMemcpyDeviceToHost, stream_), "a copy to the host");
  }
  void* wait(int /*flight*/) override {
    check(cudaStreamSynchronize(stream_), "waiting for an image");
    return block_.data();
  }
  // The emulator is synchronous: what was enqueued is done.
  void mark(int /*flight*/, int moment) override { moments_[moment] = Clock::now(); }
  double seconds(int /*flight*/, int from, int to) override {
    return std::chrono::duration<double>(moments_[to] - moments_[from]).count();
  }
  void read(void* to, const void* from, size_t bytes) override {
    check(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToHost, stream_), "a copy to the host");
    check(cudaStreamSynchronize(stream_), "waiting for a copy");
  }
  double measure_peak_flops() override {
    fail(ErrorKind::kUnsupported, "device cuda: expected a card to measure the peak of, found the emulator");
  }

 private:
  using Clock = std::chrono::steady_clock;

  template <typename T>
  void run_one(const T& op, void* scratch) {
    if constexpr (kHasKernel<T>) {
      check(static_cast<cudaError_t>(cuda::run(op, scratch, stream_)), "a launch");
    } else {
      check(cudaStreamSynchronize(stream_), "waiting for the ops before one of the host");
      cpu::run(op, scratch, pool_);
    }
  }

  cpu::ThreadPool& pool_;
  cudaStream_t stream_ = nullptr;
  std::vector<double> block_;  // what was fetched; doubles, so that whatever lies in it is aligned
  Clock::time_point moments_[kMoments];
};

class CudaDevice final : public Device {
 public:
  CudaDevice() {
    int count = 0;
    check(cudaGetDeviceCount(&count), "counting devices");
    if (count == 0) fail(ErrorKind::kUnsupported, "device cuda: expected a CUDA device, found none");
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
  }

  size_t packed_bytes(const ConvDesc& desc) const override { return cuda::packed_bytes(desc); }
  size_t packed_bytes(const DepthwiseDesc& desc) const override { return cpu::packed_bytes(desc); }
  PackedWeights pack(const ConvDesc& desc, const float* weights, const float* bias, void* to) override {
    std::vector<float> host(cuda::packed_bytes(desc) / sizeof(float));
    const PackedWeights packed = cuda::pack(desc, weights, bias, host.data(), to);
    upload(to, host.data(), host.size() * sizeof(float));
    return packed;
  }
  PackedWeights pack(const DepthwiseDesc& desc, const float* weights, const float* bias, void* to) override {
    return cpu::pack(desc, weights, bias, to);
  }

  std::unique_ptr<Backend> open(cpu::ThreadPool& pool) override { return std::make_unique<CudaBackend>(pool); }

 private:
  std::string isa_;
};

}  // namespace

std::shared_ptr<Device> open_cuda_device() {
  return std::make_shared<CudaDevice>();
}

}  // namespace sln
