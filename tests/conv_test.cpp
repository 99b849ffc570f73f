// The convolution on every instruction set of this machine, whatever SLN_ISA says, against its definition
// (tests/naive/conv.h): the same bytes with fused multiply-adds, close without. Threads, and what is not written:
// ops_test.
#include "kernels/conv.h"

#include <catch2/catch.hpp>
#include <cmath>
#include <string>
#include <utility>
#include <vector>

#include "kernels/cpu/conv_internal.h"
#include "kernels/cpu/parallel.h"
#include "tests/cases/conv_cases.h"
#include "tests/naive/conv.h"
#include "tests/support/op_buffers.h"
#include "tests/support/op_spans.h"

namespace sln {
namespace {

using sln_test::ConvRow;
using sln_test::Guarded;
using sln_test::kInfinity;
using sln_test::kNan;
using sln_test::OpProblem;
using sln_test::Written;

constexpr auto kRelu = Activation::kRelu;
constexpr auto kRelu6 = Activation::kRelu6;

// Weights packed for an instruction set, in exactly the memory that it asks for.
struct Packed {
  Packed(cpu::Isa isa, const ConvDesc& desc, const PackedWeights& canonical)
      : memory(cpu::packed_bytes_for(isa, desc) / sizeof(float)),
        weights(cpu::pack_for(isa, desc, canonical.weights, canonical.bias, memory.data())) {
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

Written naive(const ConvOp& op) {
  return sln_test::written_on_copies(op, [](const ConvOp& copy) { sln_naive::run(copy); });
}

Written run(cpu::Isa isa, const ConvOp& op) {
  const Packed packed(isa, op.desc, op.weights);
  return sln_test::written_on_copies(op, [&](ConvOp copy) {
    copy.weights = packed.weights;
    cpu::ThreadPool pool(2);
    cpu::run(copy, nullptr, pool);
  });
}

// The sum of the magnitudes that each output sums up: the scale of its rounding errors.
std::vector<float> magnitudes(ConvOp op) {
  std::vector<std::vector<float>> values;
  const auto absolute = [&](const float*& pointer, int64_t count) {
    if (pointer == nullptr || count <= 0) return;
    values.emplace_back(pointer, pointer + count);
    for (float& value : values.back()) value = std::fabs(value);
    pointer = values.back().data();
  };
  const int64_t items = op.batch.room, out_pixels = items * op.out_h * op.out_w;
  absolute(op.src, (items * op.in_h * op.in_w - 1) * op.src_stride + op.desc.in_channels);
  absolute(op.residual, (out_pixels - 1) * op.residual_stride + op.desc.out_channels);
  absolute(op.weights.weights, int64_t{op.desc.out_channels} * op.desc.in_channels * op.desc.kernel * op.desc.kernel);
  absolute(op.weights.bias, op.desc.out_channels);
  op.desc.activation = Activation::kNone;
  return sln_test::floats(naive(op));
}

// Of the values that differ by more than rounding without fused multiply-adds explains, the first one's index, or -1.
int64_t first_far(const Written& found, const Written& expected, const std::vector<float>& scale) {
  constexpr float kTolerance = 16.0f / 16777216.0f;  // units in the last place of the magnitude
  const std::vector<float> a = sln_test::floats(found), b = sln_test::floats(expected);
  for (size_t i = 0; i < a.size(); ++i)
    if (!(std::fabs(a[i] - b[i]) <= kTolerance * scale[i])) return static_cast<int64_t>(i);
  return -1;
}

void check(const ConvOp& op) {
  const Written expected = naive(op);
  for (const cpu::Isa isa : supported_isas()) {
    CAPTURE(cpu::isa_name(isa));
    if (isa == cpu::Isa::kSse4) {
      CHECK(first_far(run(isa, op), expected, magnitudes(op)) == -1);
    } else {
      CHECK(sln_test::difference(run(isa, op), expected) == "");
    }
  }
}

OpProblem problem_of(const ConvRow& row) {
  return sln_test::conv_problem(row, false, 5);
}
const ConvOp& conv_of(const OpProblem& problem) {
  return std::get<ConvOp>(problem.op);
}

}  // namespace

TEST_CASE("conv equals its definition on every instruction set") {
  for (const sln_test::OpCase& c : sln_test::cases_of<ConvOp>().tested) {
    if (c.nasty) continue;
    INFO(c.name);
    check(conv_of(c.make()));
  }
}

TEST_CASE("conv equals its definition on an output larger than the caches") {
  check(conv_of(problem_of({1, 512, 520, 1, 32, 1, 1, 0, 1, kRelu, true, true, true})));
}

TEST_CASE("conv packs what it says") {
  const OpProblem problem = problem_of({2, 9, 9, 37, 70, 3, 1, 1, 1, kRelu, true, true});
  CHECK(cpu::packed_bytes(conv_of(problem).desc) >= 70 * 9 * 37 * sizeof(float));
  CHECK(cpu::packed_bytes(conv_of(problem).desc) <= (96 * 9 * 37 + 96) * sizeof(float));
}

TEST_CASE("conv on an empty batch does nothing") {
  const OpProblem problem = problem_of({1, 4, 4, 8, 16, 3, 1, 1, 1});
  ConvOp op = conv_of(problem);
  const Packed packed(cpu::isa(), op.desc, op.weights);
  op.weights = packed.weights;
  op.batch = {0};
  op.src = nullptr;
  op.dst = nullptr;
  cpu::ThreadPool pool(2);
  cpu::run(op, nullptr, pool);
}

TEST_CASE("conv passes NaN and the sign of zero on") {
  // One channel that copies the input: weight 1, then the activation.
  const std::vector<float> src = {kNan, kInfinity, -kInfinity, -1.0f, 7.0f, -1e-45f, 0.0f,
                                  3.0f, 1.0f,      2.0f,       -0.0f, 6.0f, 5.0f};
  const float weight = 0.5f;
  cpu::ThreadPool pool(1);
  for (const cpu::Isa isa : supported_isas()) {
    for (const Activation activation : {Activation::kNone, kRelu, kRelu6}) {
      CAPTURE(cpu::isa_name(isa), static_cast<int>(activation));
      ConvDesc desc;
      desc.in_channels = desc.out_channels = 1;
      desc.activation = activation;
      const Packed packed(isa, desc, {&weight});
      std::vector<float> dst(src.size() * 16, kNan);
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
      CHECK(dst[16] == (clipped ? 6.0f : kInfinity));
      CHECK(dst[2 * 16] == (activation == Activation::kNone ? -kInfinity : 0.0f));
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
  const OpProblem problem = problem_of({3, 28, 28, 261, 256, 3, 1, 1, 1, kRelu, true, false, false, 11});
  CHECK(sln_test::difference(run(cpu::Isa::kAvx2, conv_of(problem)), run(cpu::Isa::kAvx512, conv_of(problem))) == "");
}

TEST_CASE("conv refuses what cannot be") {
  const OpProblem problem = problem_of({1, 4, 4, 8, 16, 3, 1, 1, 1});
  ConvOp good = conv_of(problem);
  const float* const weights = good.weights.weights;
  const Packed packed(cpu::isa(), good.desc, good.weights);
  std::vector<float> place(cpu::packed_bytes(good.desc) / sizeof(float));
  using Field = int ConvDesc::*;
  for (const Field field :
       {&ConvDesc::in_channels, &ConvDesc::out_channels, &ConvDesc::kernel, &ConvDesc::stride, &ConvDesc::dilation}) {
    ConvDesc wrong = good.desc;
    wrong.*field = 0;
    CHECK_THROWS_AS(cpu::packed_bytes(wrong), std::invalid_argument);
    CHECK_THROWS_AS(cpu::pack(wrong, weights, nullptr, place.data()), std::invalid_argument);
  }
  ConvDesc wrong = good.desc;
  wrong.pad = -1;
  CHECK_THROWS_AS(cpu::pack(wrong, weights, nullptr, place.data()), std::invalid_argument);
  CHECK_THROWS_AS(cpu::pack(good.desc, nullptr, nullptr, place.data()), std::invalid_argument);
  CHECK_THROWS_AS(cpu::pack(good.desc, weights, nullptr, nullptr), std::invalid_argument);

  cpu::ThreadPool pool(1);
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
