// The convolution against its definition (tests/naive/conv.h): the same bytes with fused multiply-adds, close without.
#include "kernels/conv.h"

#include <catch2/catch.hpp>
#include <cmath>
#include <limits>
#include <sstream>
#include <string>
#include <vector>

#include "kernels/cpu/conv_internal.h"
#include "kernels/cpu/parallel.h"
#include "tests/support/allocations.h"
#include "tests/support/conv_cases.h"
#include "tests/support/op_buffers.h"

namespace sln {
namespace {

using sln_test::Guarded;
using sln_test::kRelu;
using sln_test::kRelu6;
using sln_test::Random;
using Case = sln_test::ConvCase;
using Problem = sln_test::ConvProblem;

// Weights packed for an instruction set, in exactly the memory that it asks for.
struct Packed {
  Packed(cpu::Isa isa, const ConvDesc& desc, const float* values, const float* bias)
      : memory(cpu::packed_bytes_for(isa, desc) / sizeof(float)),
        weights(cpu::pack_for(isa, desc, values, bias, memory.data())) {
    CHECK(memory.intact());
  }
  Guarded<float> memory;
  PackedWeights weights;
};

std::vector<cpu::Isa> supported_isas() {
  std::vector<cpu::Isa> isas;
  for (const cpu::Isa isa : {cpu::Isa::kSse4, cpu::Isa::kAvx2, cpu::Isa::kAvx512}) {
    if (cpu::isa_supported(isa)) isas.push_back(isa);
  }
  return isas;
}

// Of the values that differ by more than rounding without fused multiply-adds explains, the first one's index, or -1.
int64_t first_far(const std::vector<float>& a, const std::vector<float>& b, const std::vector<float>& magnitudes) {
  constexpr float kTolerance = 16.0f / 16777216.0f;  // units in the last place of the magnitude
  for (size_t i = 0; i < a.size(); ++i) {
    if (std::isnan(a[i]) && std::isnan(b[i])) continue;
    if (!(std::fabs(a[i] - b[i]) <= kTolerance * magnitudes[i])) return static_cast<int64_t>(i);
  }
  return -1;
}

// Every instruction set of this machine against the definition, whatever SLN_ISA says.
void check_case(const Case& c, uint32_t seed) {
  CAPTURE(c);
  Problem problem(c, seed);
  const std::vector<float> expected = problem.naive();
  const std::vector<float> magnitudes = problem.magnitudes();
  for (const cpu::Isa isa : supported_isas()) {
    CAPTURE(cpu::isa_name(isa));
    const Packed packed(isa, problem.op.desc, problem.weights.data(), problem.bias_data());
    problem.op.weights = packed.weights;
    std::vector<float> first;
    for (int threads = 1; threads <= 3; ++threads) {
      CAPTURE(threads);
      cpu::ThreadPool pool(threads);
      const std::vector<float> got = problem.run([&] {
        const int64_t before = test::allocation_count();
        cpu::run(problem.op, nullptr, pool);
        CHECK(test::allocation_count() == before);
      });
      if (threads == 1) first = got;
      CHECK(sln_test::same_bytes(got, first));
      if (isa == cpu::Isa::kSse4) {
        CHECK(first_far(got, expected, magnitudes) == -1);
      } else {
        CHECK(sln_test::same_bytes(got, expected));
      }
    }
  }
}

}  // namespace

TEST_CASE("conv equals its definition") {
  uint32_t seed = 1;
  for (const Case& c : sln_test::kConvCases) check_case(c, seed++);
}

TEST_CASE("conv equals its definition on random shapes") {
  Random random(7);
  for (uint32_t i = 0; i < 60; ++i) check_case(sln_test::random_conv_case(random), 1000 + i);
}

TEST_CASE("conv equals its definition on an output larger than the caches") {
  check_case(Case{1, 512, 520, 1, 32, 1, 1, 0, 1, kRelu, true, true, true}, 11);
}

TEST_CASE("conv under SLN_ISA equals its definition, and packs what it says") {
  Problem problem(Case{2, 9, 9, 37, 70, 3, 1, 1, 1, kRelu, true, true}, 5);
  CHECK(cpu::packed_bytes(problem.op.desc) >= problem.weights.size() * sizeof(float));
  CHECK(cpu::packed_bytes(problem.op.desc) <= (96 * 9 * 37 + 96) * sizeof(float));
  const Packed packed(cpu::isa(), problem.op.desc, problem.weights.data(), problem.bias_data());
  problem.op.weights = packed.weights;
  cpu::ThreadPool pool(2);
  const std::vector<float> got = problem.run([&] { cpu::run(problem.op, nullptr, pool); });
  if (cpu::isa() == cpu::Isa::kSse4) {
    CHECK(first_far(got, problem.naive(), problem.magnitudes()) == -1);
  } else {
    CHECK(sln_test::same_bytes(got, problem.naive()));
  }
}

TEST_CASE("conv on an empty batch does nothing") {
  Problem problem(Case{1, 4, 4, 8, 16, 3, 1, 1, 1}, 6);
  const Packed packed(cpu::isa(), problem.op.desc, problem.weights.data(), problem.bias_data());
  problem.op.weights = packed.weights;
  problem.op.batch = {0};
  problem.op.src = nullptr;
  problem.op.dst = nullptr;
  cpu::ThreadPool pool(2);
  cpu::run(problem.op, nullptr, pool);
}

TEST_CASE("conv passes NaN and the sign of zero on") {
  // One channel that copies the input: weight 1, then the activation.
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const float inf = std::numeric_limits<float>::infinity();
  const std::vector<float> src = {nan, inf, -inf, -1.0f, 7.0f, -1e-45f, 0.0f, 3.0f, 1.0f, 2.0f, -0.0f, 6.0f, 5.0f};
  const float weight = 0.5f;
  cpu::ThreadPool pool(1);
  for (const cpu::Isa isa : supported_isas()) {
    for (const Activation activation : {Activation::kNone, kRelu, kRelu6}) {
      CAPTURE(cpu::isa_name(isa), static_cast<int>(activation));
      ConvDesc desc;
      desc.in_channels = desc.out_channels = 1;
      desc.activation = activation;
      const Packed packed(isa, desc, &weight, nullptr);
      std::vector<float> dst(src.size() * 16, nan);
      ConvOp op;
      op.desc = desc;
      op.batch = {1};
      op.in_h = op.out_h = 1;
      op.in_w = op.out_w = static_cast<int>(src.size());
      op.src = src.data();
      op.src_stride = 1;
      op.dst = dst.data();
      op.dst_stride = 16;
      op.weights = packed.weights;
      cpu::run(op, nullptr, pool);
      const bool clipped = activation == kRelu6;
      CHECK(std::isnan(dst[0]));
      CHECK(dst[16] == (clipped ? 6.0f : inf));
      CHECK(dst[2 * 16] == (activation == Activation::kNone ? -inf : 0.0f));
      CHECK(dst[3 * 16] == (activation == Activation::kNone ? -0.5f : 0.0f));
      CHECK(dst[4 * 16] == 3.5f);
      // -1e-45 * 0.5 rounds to -0, which is not below 0.
      if (isa != cpu::Isa::kSse4) CHECK(std::signbit(dst[5 * 16]));
      CHECK(!std::signbit(dst[6 * 16]));
    }
  }
}

TEST_CASE("two instruction sets with fused multiply-adds give the same bytes") {
  if (!cpu::isa_supported(cpu::Isa::kAvx512)) {
    WARN("not compared: this machine lacks AVX-512");
    return;
  }
  Problem problem(Case{3, 28, 28, 261, 256, 3, 1, 1, 1, kRelu, true, false, false, 11}, 8);
  cpu::ThreadPool pool(2);
  std::vector<float> outputs[2];
  const cpu::Isa isas[2] = {cpu::Isa::kAvx2, cpu::Isa::kAvx512};
  for (int i = 0; i < 2; ++i) {
    const Packed packed(isas[i], problem.op.desc, problem.weights.data(), problem.bias_data());
    problem.op.weights = packed.weights;
    outputs[i] = problem.run([&] { cpu::run(problem.op, nullptr, pool); });
  }
  CHECK(sln_test::same_bytes(outputs[0], outputs[1]));
}

TEST_CASE("conv refuses what cannot be") {
  Problem problem(Case{1, 4, 4, 8, 16, 3, 1, 1, 1}, 9);
  const float* weights = problem.weights.data();
  const Packed packed(cpu::isa(), problem.op.desc, weights, nullptr);
  std::vector<float> place(cpu::packed_bytes(problem.op.desc) / sizeof(float));
  using Field = int ConvDesc::*;
  for (const Field field :
       {&ConvDesc::in_channels, &ConvDesc::out_channels, &ConvDesc::kernel, &ConvDesc::stride, &ConvDesc::dilation}) {
    ConvDesc wrong = problem.op.desc;
    wrong.*field = 0;
    CHECK_THROWS_AS(cpu::packed_bytes(wrong), std::invalid_argument);
    CHECK_THROWS_AS(cpu::pack(wrong, weights, nullptr, place.data()), std::invalid_argument);
  }
  ConvDesc wrong = problem.op.desc;
  wrong.pad = -1;
  CHECK_THROWS_AS(cpu::pack(wrong, weights, nullptr, place.data()), std::invalid_argument);
  CHECK_THROWS_AS(cpu::pack(problem.op.desc, nullptr, nullptr, place.data()), std::invalid_argument);
  CHECK_THROWS_AS(cpu::pack(problem.op.desc, weights, nullptr, nullptr), std::invalid_argument);

  cpu::ThreadPool pool(1);
  std::vector<float> dst(problem.dst_floats());
  ConvOp good = problem.op;
  good.dst = dst.data();
  good.weights = packed.weights;
  const auto refuses = [&](auto change) {
    ConvOp op = good;
    change(op);
    CHECK_THROWS_AS(cpu::run(op, nullptr, pool), std::invalid_argument);
  };
  refuses([](ConvOp& op) { op.weights = {}; });
  refuses([](ConvOp& op) { op.weights.layout = 16; });
  refuses([](ConvOp& op) { op.desc.in_channels = 7; });
  refuses([](ConvOp& op) { op.desc.kernel = 1; });
  refuses([](ConvOp& op) { op.src = nullptr; });
  refuses([](ConvOp& op) { op.dst = nullptr; });
  refuses([](ConvOp& op) { op.src_stride = 7; });
  refuses([](ConvOp& op) { op.dst_stride = 15; });
  refuses([](ConvOp& op) { op.out_w = 0; });
}

}  // namespace sln
