// The CPU: every op is done when run() returns, so there is one flight, and what is fetched is already here.
#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <new>

#include "engine/backend.h"
#include "engine/device.h"
#include "kernels/cpu/parallel.h"
#include "kernels/isa.h"

namespace sln {
namespace {

class CpuBackend final : public Backend {
 public:
  explicit CpuBackend(cpu::ThreadPool& pool) : pool_(pool) {}

  size_t scratch_bytes(const Op& op) const override {
    return std::visit([&](const auto& one) { return cpu::scratch_bytes(one, pool_.threads()); }, op);
  }
  void run(const Op& op, void* scratch) override {
    std::visit([&](const auto& one) { cpu::run(one, scratch, pool_); }, op);
  }
  void poison(void* memory, size_t bytes) override { std::memset(memory, 0xFF, bytes); }

  int flights() const override { return 1; }
  void fetch(int /*flight*/, void* block, size_t /*bytes*/) override { block_ = block; }
  void* wait(int /*flight*/) override { return block_; }
  void mark(int /*flight*/, int moment) override { moments_[moment] = Clock::now(); }
  double seconds(int /*flight*/, int from, int to) override {
    return std::chrono::duration<double>(moments_[to] - moments_[from]).count();
  }
  void read(void* to, const void* from, size_t bytes) override { std::memcpy(to, from, bytes); }

  double measure_peak_flops() override { return cpu::measure_peak_flops(pool_); }

 private:
  using Clock = std::chrono::steady_clock;
  cpu::ThreadPool& pool_;
  void* block_ = nullptr;
  Clock::time_point moments_[kMoments];
};

class CpuDevice final : public Device {
 public:
  const char* name() const override { return "cpu"; }
  const char* isa() const override { return cpu::isa_name(cpu::isa()); }

  void* allocate(size_t bytes) override {
    void* memory = std::aligned_alloc(kAlignment, aligned(std::max<size_t>(bytes, 1)));
    if (memory == nullptr) throw std::bad_alloc();
    return memory;
  }
  void release(void* memory) noexcept override { std::free(memory); }
  void upload(void* to, const void* from, size_t bytes) override { std::memcpy(to, from, bytes); }

  size_t packed_bytes(const ConvDesc& desc) const override { return cpu::packed_bytes(desc); }
  size_t packed_bytes(const DepthwiseDesc& desc) const override { return cpu::packed_bytes(desc); }
  PackedWeights pack(const ConvDesc& desc, const float* weights, const float* bias, void* to) override {
    return cpu::pack(desc, weights, bias, to);
  }
  PackedWeights pack(const DepthwiseDesc& desc, const float* weights, const float* bias, void* to) override {
    return cpu::pack(desc, weights, bias, to);
  }

  std::unique_ptr<Backend> open(cpu::ThreadPool& pool) override { return std::make_unique<CpuBackend>(pool); }
};

}  // namespace

std::shared_ptr<Device> open_cpu_device() {
  return std::make_shared<CpuDevice>();
}

}  // namespace sln
