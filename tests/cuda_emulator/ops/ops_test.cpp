// Every op on CUDA, over its table of cases, against the CPU: every byte of every buffer, what is not written included,
// any NaN for any NaN; in three orders of threads, and in two layouts of memory: each buffer in an allocation of its
// own, whose ends the emulator and AddressSanitizer guard, and all of them packed into one, as an engine's arena does
// it.
#include <catch2/catch.hpp>
#include <cstring>
#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "emulator/control.h"
#include "kernels/cuda/ops.h"
#include "kernels/isa.h"
#include "tests/cases/on_cpu.h"
#include "tests/cases/op_case.h"
#include "tests/support/op_on_device.h"

namespace sln_test {
namespace {

// One allocation that buffers are cut from, one behind the other, at multiples of 64 bytes. One at a time.
class DeviceArena {
 public:
  explicit DeviceArena(size_t bytes) : bytes_(bytes, kGap), in_gap_(bytes, true), device_(bytes_.data(), bytes) {
    current_ = this;
  }
  DeviceArena(const DeviceArena&) = delete;
  DeviceArena& operator=(const DeviceArena&) = delete;
  ~DeviceArena() { current_ = nullptr; }
  static DeviceArena& current() { return *current_; }

  // lead: bytes from the alignment.
  std::byte* take(size_t bytes, size_t lead) {
    used_ = sln::aligned(used_);
    std::byte* const at = device_.data() + used_ + lead;
    if (used_ + lead + bytes > bytes_.size()) throw std::length_error("the arena is too small for the case");
    std::fill_n(in_gap_.begin() + static_cast<ptrdiff_t>(used_ + lead), bytes, false);
    used_ += lead + bytes;
    return at;
  }
  // Whether nothing was written between what was taken, and behind it.
  bool gaps_intact() const {
    const std::vector<std::byte> now = device_.host();
    for (size_t i = 0; i < now.size(); ++i)
      if (in_gap_[i] && now[i] != kGap) return false;
    return true;
  }

 private:
  static constexpr std::byte kGap{0xFF};  // a NaN, where floats are read
  static DeviceArena* current_;
  std::vector<std::byte> bytes_;
  std::vector<bool> in_gap_;
  OnDevice device_;
  size_t used_ = 0;
};
DeviceArena* DeviceArena::current_ = nullptr;

// A copy of the host's bytes in the arena, as aligned as those.
class InArena {
 public:
  InArena(const void* host, size_t bytes)
      : data_(DeviceArena::current().take(bytes, reinterpret_cast<uintptr_t>(host) % 64)), bytes_(bytes) {
    require_cuda(cudaMemcpy(data_, host, bytes, cudaMemcpyHostToDevice), "a copy to the device");
  }
  std::byte* data() const { return data_; }
  std::vector<std::byte> host() const {
    std::vector<std::byte> bytes(bytes_);
    require_cuda(cudaMemcpy(bytes.data(), data_, bytes_, cudaMemcpyDeviceToHost), "a copy from the device");
    return bytes;
  }

 private:
  std::byte* data_;
  size_t bytes_;
};

// Runs the case's op on the device, with weights and scratch in memory of the same kind as its buffers.
template <typename Block>
void run_on_cuda(const OpCase& c) {
  std::visit(
      [&](auto op) {
        std::unique_ptr<Block> weights;
        if constexpr (kHasWeights<decltype(op)>) {
          Guarded<float> host(sln::cuda::packed_bytes(op.desc) / sizeof(float));
          weights = std::make_unique<Block>(host.data(), host.size() * sizeof(float));
          op.weights = sln::cuda::pack(op.desc, c.weights, c.bias, host.data(), weights->data());
          require_cuda(cudaMemcpy(weights->data(), host.data(), host.size() * sizeof(float), cudaMemcpyHostToDevice),
                       "weights");
          CHECK(host.intact());
        }
        Guarded<uint8_t> garbage(sln::cuda::scratch_bytes(op), 0xFF);
        const Block scratch(garbage.data(), garbage.size());
        const int error = run_on_spans<Block>(op, [&](const auto& moved) -> int {
          const int launched = sln::cuda::run(moved, scratch.data(), nullptr);
          return launched != 0 ? launched : cudaDeviceSynchronize();
        });
        CHECK(error == 0);
      },
      c.op);
}

// Bytes of an arena that has room for all that run_on_cuda() takes, and some behind it.
size_t arena_bytes(const OpCase& c) {
  return std::visit(
      [](const auto& op) {
        size_t bytes = 1024;
        if constexpr (kHasWeights<std::decay_t<decltype(op)>>) {
          bytes += sln::cuda::packed_bytes(op.desc);  // and these have no scratch
        } else {
          bytes += sln::cuda::scratch_bytes(op);
        }
        const Spans spans = Spans::of(op);
        for (const auto& [begin, end] : spans.ends()) bytes += end - begin + 128;
        return bytes;
      },
      c.op);
}

std::shared_ptr<CaseMemory> expected(const CaseRow& row) {
  const OpCase made = row.make();
  if (sln::cpu::isa() == sln::cpu::Isa::kSse4) {  // no fused multiply-adds
    run_naive(made);
  } else {
    sln::cpu::ThreadPool pool(1);
    run_on_cpu(packed_for_cpu(made), pool);
  }
  return made.memory;
}

void check_cases(const std::vector<CaseRow>& rows) {
  for (const CaseRow& row : rows) {
    CAPTURE(row.name);
    const auto wanted = expected(row);
    std::string where;
    for (const char* const order : {"up", "down", "7"}) {
      emulator::set_order(order);
      const OpCase made = row.make();
      REQUIRE_NOTHROW(run_on_cuda<OnDevice>(made));
      if (!CaseMemory::equal(*wanted, *made.memory, where))
        FAIL_CHECK("not the CPU's, in the order " << order << ": " << where);
    }
    emulator::set_order("");
    const OpCase made = row.make();
    const DeviceArena arena(arena_bytes(made));
    REQUIRE_NOTHROW(run_on_cuda<InArena>(made));
    if (!CaseMemory::equal(*wanted, *made.memory, where)) FAIL_CHECK("not the CPU's, in an arena: " << where);
    if (!arena.gaps_intact()) FAIL_CHECK("written between the buffers of an arena");
  }
}

}  // namespace

TEST_CASE("resize on CUDA gives the CPU's bytes") {
  check_cases(resize_cases(Purpose::kTest));
}
TEST_CASE("canvas_from_planes on CUDA gives the CPU's bytes") {
  check_cases(canvas_from_planes_cases(Purpose::kTest));
}
TEST_CASE("conv on CUDA gives the CPU's bytes") {
  check_cases(conv_cases(Purpose::kTest));
}
TEST_CASE("depthwise on CUDA gives the CPU's bytes") {
  check_cases(depthwise_cases(Purpose::kTest));
}
TEST_CASE("pool on CUDA gives the CPU's bytes") {
  check_cases(pool_cases(Purpose::kTest));
}
TEST_CASE("upsample_sum on CUDA gives the CPU's bytes") {
  check_cases(upsample_sum_cases(Purpose::kTest));
}
TEST_CASE("softmax on CUDA gives the CPU's bytes") {
  check_cases(softmax_cases(Purpose::kTest));
}
TEST_CASE("proposals on CUDA gives the CPU's bytes") {
  check_cases(proposals_cases(Purpose::kTest));
}
TEST_CASE("roi_align on CUDA gives the CPU's bytes") {
  check_cases(roi_align_cases(Purpose::kTest));
}
TEST_CASE("refine on CUDA gives the CPU's bytes") {
  check_cases(refine_cases(Purpose::kTest));
}
TEST_CASE("mask_planes on CUDA gives the CPU's bytes") {
  check_cases(mask_planes_cases(Purpose::kTest));
}

}  // namespace sln_test
