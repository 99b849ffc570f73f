// The convolution on CUDA against the CPU's with fused multiply-adds: every byte, what is not written included.
#include "kernels/conv.h"

#include <catch2/catch.hpp>
#include <limits>
#include <stdexcept>
#include <vector>

#include "emulator/control.h"
#include "kernels/cpu/conv_internal.h"
#include "kernels/cpu/parallel.h"
#include "kernels/cuda/ops.h"
#include "tests/support/conv_cases.h"
#include "tests/support/op_buffers.h"
#include "tests/support/op_on_device.h"

namespace sln {
namespace {

using sln_test::ConvCase;
using sln_test::ConvProblem;
using sln_test::first_difference;
using sln_test::Guarded;
using sln_test::kRelu;
using sln_test::kRelu6;
using sln_test::Random;

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kTiny = std::numeric_limits<float>::denorm_min();

std::vector<float> run_on_cpu(ConvProblem& problem) {
  const cpu::Isa isa = cpu::isa_supported(cpu::Isa::kAvx512) ? cpu::Isa::kAvx512 : cpu::Isa::kAvx2;
  Guarded<float> packed(cpu::packed_bytes_for(isa, problem.op.desc) / sizeof(float));
  problem.op.weights = cpu::pack_for(isa, problem.op.desc, problem.weights.data(), problem.bias_data(), packed.data());
  cpu::ThreadPool pool(1);
  return problem.run([&] { cpu::run(problem.op, nullptr, pool); });
}

// Weights on the device, in exactly the memory that they ask for.
class Packed {
 public:
  explicit Packed(const ConvProblem& problem)
      : host_(cuda::packed_bytes(problem.op.desc) / sizeof(float)),
        device_(host_.data(), host_.size() * sizeof(float)) {
    weights = cuda::pack(problem.op.desc, problem.weights.data(), problem.bias_data(), host_.data(), device_.data());
    CHECK(host_.intact());
    sln_test::require_cuda(
        cudaMemcpy(device_.data(), host_.data(), host_.size() * sizeof(float), cudaMemcpyHostToDevice), "upload");
  }
  PackedWeights weights;

 private:
  Guarded<float> host_;
  sln_test::OnDevice device_;
};

int run_on_cuda(const ConvOp& op) {
  return sln_test::run_on_device(op, [](const ConvOp& moved) { return cuda::run(moved, nullptr, nullptr); });
}

std::vector<float> run_on_cuda(ConvProblem& problem) {
  const Packed packed(problem);
  problem.op.weights = packed.weights;
  return problem.run([&] { CHECK(run_on_cuda(problem.op) == 0); });
}

void check_equal(ConvProblem& problem) {
  const std::vector<float> expected = run_on_cpu(problem);
  CHECK(first_difference(run_on_cuda(problem), expected) == -1);
}

// Whether all items are in use, and whether that is known on the device only, changes nothing.
void check_case(const ConvCase& c, uint32_t seed) {
  CAPTURE(c);
  ConvProblem problem(c, seed);
  check_equal(problem);
  ConvProblem nasty(c, seed);
  Random random(seed);
  nasty.use(static_cast<int32_t>(seed) % (c.batch + 1));
  // About one of them in a chain, so that there are sums with and without it.
  nasty.sprinkle(random, 10 + 2 * c.kernel * c.kernel * c.in,
                 {kNan, kInfinity, -kInfinity, 0.0f, -0.0f, 3e38f, -3e38f, 1e-38f, kTiny, -kTiny});
  check_equal(nasty);
}

}  // namespace

TEST_CASE("conv on CUDA gives the CPU's bytes") {
  uint32_t seed = 1;
  for (const ConvCase& c : sln_test::kConvCases) check_case(c, seed++);
}

TEST_CASE("conv on CUDA gives the CPU's bytes on random shapes") {
  Random random(17);
  for (uint32_t i = 0; i < 60; ++i) check_case(sln_test::random_conv_case(random), 1000 + i);
}

TEST_CASE("conv on CUDA gives the CPU's bytes where a batch has more room than items") {
  for (const ConvCase& c : {ConvCase{7, 14, 14, 29, 20, 3, 1, 1, 1, kRelu, true, false, false, 3},
                            ConvCase{7, 5, 6, 32, 160, 1, 1, 0, 1, kRelu, true, true, true}}) {
    for (int32_t used = 0; used <= c.batch; ++used) {
      CAPTURE(c, used);
      ConvProblem problem(c, 3);
      problem.use(used);
      check_equal(problem);
    }
  }
}

TEST_CASE("conv on CUDA keeps the sign of zero behind the last channel of a tap") {
  // All products round to 0 or -0, and so do most sums.
  for (const int in : {1, 2, 3, 4, 5, 7}) {
    for (const int kernel : {1, 2, 3}) {
      for (const bool residual : {false, true}) {
        const ConvCase c = {1, 6, 7, in, 20, kernel, 1, 0, 1, Activation::kNone, false, residual};
        CAPTURE(c);
        ConvProblem problem(c, 5);
        Random random(6);
        problem.sprinkle(random, 1, {kTiny, -kTiny, -kTiny, 0.0f, -0.0f});
        for (float& w : problem.weights) w = random.below(2) == 0 ? 0.5f : 0.25f;
        check_equal(problem);
      }
    }
  }
}

TEST_CASE("conv on CUDA reads and writes maps that are not aligned") {
  for (const int shift : {1, 2, 3}) {
    CAPTURE(shift);
    ConvProblem problem(ConvCase{2, 5, 6, 12, 37, 3, 1, 1, 1, kRelu6, true, true, true, 0, 0}, 7);
    const std::vector<float> expected = run_on_cpu(problem);
    const size_t items = 2 * 5 * 6;
    std::vector<float> src(shift + items * 12);
    std::copy_n(problem.op.src, items * 12, src.begin() + shift);
    const Packed packed(problem);
    problem.op.weights = packed.weights;
    problem.op.src = src.data() + shift;
    std::vector<float> dst(shift + expected.size(), kNan);
    problem.run([&] {
      std::copy_n(problem.op.dst, expected.size(), dst.begin() + shift);
      problem.op.dst = dst.data() + shift;
      problem.op.residual = problem.op.dst;
      CHECK(run_on_cuda(problem.op) == 0);
    });
    CHECK(first_difference(std::vector<float>(dst.begin() + shift, dst.end()), expected) == -1);
  }
}

TEST_CASE("conv on CUDA gives the same bytes in every order of threads") {
  ConvProblem problem(ConvCase{3, 13, 9, 37, 140, 3, 1, 1, 1, kRelu, true, true, true}, 8);
  const std::vector<float> expected = run_on_cpu(problem);
  for (const char* order : {"up", "down", "1", "2"}) {
    CAPTURE(order);
    emulator::set_order(order);
    CHECK(first_difference(run_on_cuda(problem), expected) == -1);
  }
  emulator::set_order("");
}

TEST_CASE("conv on CUDA on an empty batch does nothing") {
  ConvProblem problem(ConvCase{1, 4, 4, 8, 16, 3, 1, 1, 1}, 6);
  problem.op.batch = {0};
  problem.op.src = nullptr;
  problem.op.dst = nullptr;
  CHECK(cuda::run(problem.op, nullptr, nullptr) == 0);
}

TEST_CASE("conv on CUDA refuses weights that cannot be packed") {
  const ConvProblem problem(ConvCase{1, 4, 4, 8, 16, 3, 1, 1, 1}, 9);
  const float* weights = problem.weights.data();
  std::vector<float> place(cuda::packed_bytes(problem.op.desc) / sizeof(float));
  using Field = int ConvDesc::*;
  for (const Field field :
       {&ConvDesc::in_channels, &ConvDesc::out_channels, &ConvDesc::kernel, &ConvDesc::stride, &ConvDesc::dilation}) {
    ConvDesc wrong = problem.op.desc;
    wrong.*field = 0;
    CHECK_THROWS_AS(cuda::packed_bytes(wrong), std::invalid_argument);
    CHECK_THROWS_AS(cuda::pack(wrong, weights, nullptr, place.data(), place.data()), std::invalid_argument);
  }
  ConvDesc wrong = problem.op.desc;
  wrong.pad = -1;
  CHECK_THROWS_AS(cuda::packed_bytes(wrong), std::invalid_argument);
  CHECK_THROWS_AS(cuda::pack(problem.op.desc, nullptr, nullptr, place.data(), place.data()), std::invalid_argument);
  CHECK_THROWS_AS(cuda::pack(problem.op.desc, weights, nullptr, nullptr, place.data()), std::invalid_argument);
  CHECK_THROWS_AS(cuda::pack(problem.op.desc, weights, nullptr, place.data(), nullptr), std::invalid_argument);

  ConvDesc large;
  CHECK(cuda::packed_bytes(ConvDesc{65536, 32768 - 128}) > size_t{1} << 32);
  large = {65536, 32768};
  CHECK_THROWS_WITH(cuda::packed_bytes(large), Catch::Contains("2147483647"));
  large = {2147483647, 2147483647, 1024};
  CHECK_THROWS_WITH(cuda::packed_bytes(large), Catch::Contains("2147483647"));
}

TEST_CASE("conv on CUDA refuses what cannot be") {
  ConvProblem problem(ConvCase{1, 4, 4, 8, 16, 3, 1, 1, 1}, 9);
  const Packed packed(problem);
  std::vector<float> dst(problem.dst_floats());
  ConvOp good = problem.op;
  good.dst = dst.data();
  good.weights = packed.weights;
  const auto refuses = [&](const char* text, auto change) {
    ConvOp op = good;
    change(op);
    CHECK_THROWS_AS(cuda::run(op, nullptr, nullptr), std::invalid_argument);
    CHECK_THROWS_WITH(cuda::run(op, nullptr, nullptr), Catch::Contains(text));
  };
  const char* const unpacked = "weights were not packed by cuda::pack";
  refuses(unpacked, [](ConvOp& op) { op.weights = {}; });
  refuses(unpacked, [](ConvOp& op) { op.weights.weights = nullptr; });
  for (const cpu::Isa isa : {cpu::Isa::kSse4, cpu::Isa::kAvx2, cpu::Isa::kAvx512}) {
    refuses(unpacked, [&](ConvOp& op) { op.weights.layout = cpu::layout_of(isa); });
  }
  refuses(unpacked, [](ConvOp& op) { op.weights.layout += 1; });  // of layers with other panels
  refuses("null", [](ConvOp& op) { op.src = nullptr; });
  refuses("null", [](ConvOp& op) { op.dst = nullptr; });
  refuses("src_stride", [](ConvOp& op) { op.src_stride = 7; });
  refuses("dst_stride", [](ConvOp& op) { op.dst_stride = 15; });
  refuses("residual_stride", [](ConvOp& op) { op.residual = op.src, op.residual_stride = 15; });
  refuses("another stride", [](ConvOp& op) { op.residual = op.dst, op.residual_stride = op.dst_stride + 1; });
  refuses("without pixels", [](ConvOp& op) { op.out_w = 0; });
  refuses("without pixels", [](ConvOp& op) { op.in_h = 0; });
  refuses("2^30", [](ConvOp& op) { op.desc.dilation = 1 << 28; });
  refuses("2^30", [](ConvOp& op) { op.desc.stride = 1 << 29; });
  refuses("2^30", [](ConvOp& op) { op.desc.pad = 1 << 30; });
  const char* const offsets = "2147483647 elements, the limit of 32-bit offsets";
  refuses(offsets, [](ConvOp& op) { op.batch.room = 1 << 24; });
  refuses(offsets, [](ConvOp& op) { op.in_h = 1 << 28; });
  refuses(offsets, [](ConvOp& op) { op.in_h = op.in_w = op.src_stride = op.batch.room = 2147483647; });
  refuses(offsets, [](ConvOp& op) { op.src_stride = 1 << 27; });
  refuses(offsets, [](ConvOp& op) { op.out_h = 1 << 25; });
  refuses(offsets, [](ConvOp& op) { op.dst_stride = 1 << 27; });
  refuses(offsets, [](ConvOp& op) { op.residual = op.src, op.residual_stride = 1 << 27; });
}

}  // namespace sln
