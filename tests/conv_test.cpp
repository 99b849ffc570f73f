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
#include "tests/naive/conv.h"
#include "tests/support/allocations.h"
#include "tests/support/op_buffers.h"

namespace sln {
namespace {

using sln_test::Guarded;
using sln_test::Random;

struct Case {
  int batch, h, w;  // of the map
  int in, out;      // channels
  int kernel, stride, pad, dilation;
  Activation activation = Activation::kNone;
  bool bias = true;
  bool residual = false;
  bool in_place = false;     // the residual is dst itself
  int extra_src = 0;         // src_stride - in
  int extra_dst = 0;         // dst_stride - ceil16(out)
  int extra_residual = 0;    // residual_stride - ceil16(out)
  int out_h = 0, out_w = 0;  // 0: as the usual formula has it
};

std::ostream& operator<<(std::ostream& os, const Case& c) {
  return os << c.batch << "x" << c.h << "x" << c.w << " " << c.in << "->" << c.out << " kernel " << c.kernel
            << " stride " << c.stride << " pad " << c.pad << " dilation " << c.dilation << " activation "
            << static_cast<int>(c.activation) << " bias " << c.bias << " residual " << c.residual << c.in_place
            << " extra " << c.extra_src << " " << c.extra_dst << " " << c.extra_residual;
}

size_t count(int64_t a, int64_t b, int64_t c, int64_t d) {
  return static_cast<size_t>(a * b * c * d);
}

// Inputs of a case. Floats that conv() must not use (after the channels of a pixel) are NaN.
class Problem {
 public:
  Problem(const Case& c, uint32_t seed) : c_(c) {
    op.desc = {c.in, c.out, c.kernel, c.stride, c.pad, c.dilation, c.activation};
    const int reach = c.dilation * (c.kernel - 1) + 1;
    op.batch = {c.batch};
    op.in_h = c.h;
    op.in_w = c.w;
    op.src_stride = c.in + c.extra_src;
    op.out_h = c.out_h != 0 ? c.out_h : (c.h + 2 * c.pad - reach) / c.stride + 1;
    op.out_w = c.out_w != 0 ? c.out_w : (c.w + 2 * c.pad - reach) / c.stride + 1;
    written_ = (c.out + 15) / 16 * 16;
    op.dst_stride = written_ + c.extra_dst;
    op.residual_stride = c.in_place ? op.dst_stride : written_ + c.extra_residual;

    Random random(seed);
    src_ = random.vector(count(c.batch, c.h, c.w, op.src_stride));
    spoil_gaps(src_, op.src_stride, c.in);
    weights = random.vector(count(c.out, c.in, c.kernel, c.kernel));
    if (c.bias) bias = random.vector(static_cast<size_t>(c.out));
    if (c.residual) {
      residual_ = random.vector(count(c.batch, op.out_h, op.out_w, op.residual_stride));
      spoil_gaps(residual_, op.residual_stride, c.out);
    }
    op.src = src_.data();
  }

  const float* bias_data() const { return c_.bias ? bias.data() : nullptr; }
  size_t dst_floats() const { return count(c_.batch, op.out_h, op.out_w, op.dst_stride); }

  // Runs `body` with op.dst and op.residual set and returns the whole output, gaps included.
  template <typename Body>
  std::vector<float> run(const Body& body) {
    Guarded<float> dst(dst_floats());
    if (c_.in_place) std::copy(residual_.begin(), residual_.end(), dst.data());
    op.dst = dst.data();
    op.residual = !c_.residual ? nullptr : c_.in_place ? dst.data() : residual_.data();
    body();
    CHECK(dst.intact());
    return dst.values();
  }

  std::vector<float> naive() {
    return run([&] { naive::conv(op, weights.data(), bias_data()); });
  }

  // The sum of the magnitudes that each output sums up: the scale of its rounding errors.
  std::vector<float> magnitudes() {
    Problem absolute(*this);
    for (auto* values : {&absolute.src_, &absolute.weights, &absolute.bias, &absolute.residual_}) {
      for (float& v : *values) v = std::fabs(v);
    }
    absolute.op.src = absolute.src_.data();
    absolute.op.desc.activation = Activation::kNone;
    return absolute.naive();
  }

  ConvOp op;
  std::vector<float> weights;
  std::vector<float> bias;

 private:
  static void spoil_gaps(std::vector<float>& values, int stride, int used) {
    for (size_t i = 0; i < values.size(); ++i) {
      if (static_cast<int>(i % static_cast<size_t>(stride)) >= used)
        values[i] = std::numeric_limits<float>::quiet_NaN();
    }
  }

  Case c_;
  int written_ = 0;
  std::vector<float> src_;
  std::vector<float> residual_;
};

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

constexpr Activation kRelu = Activation::kRelu;
constexpr Activation kRelu6 = Activation::kRelu6;

const std::vector<Case> kCases = {
    // Tiles, panels and their tails.
    {1, 1, 1, 1, 1, 1, 1, 0, 1},
    {1, 3, 4, 16, 32, 1, 1, 0, 1},
    {1, 5, 5, 7, 5, 1, 1, 0, 1, kRelu},
    {1, 1, 12, 3, 64, 1, 1, 0, 1},
    {1, 1, 13, 3, 33, 1, 1, 0, 1},
    {1, 1, 11, 3, 8, 1, 1, 0, 1},
    {1, 5, 7, 20, 17, 1, 1, 0, 1, kRelu6},
    {2, 9, 5, 19, 48, 1, 1, 0, 1, Activation::kNone, false},
    {3, 4, 7, 33, 80, 3, 1, 1, 1, kRelu},
    // The whole window in the padding of some output, maps smaller than the window, no padding.
    {1, 1, 1, 8, 16, 3, 1, 1, 1},
    {1, 2, 1, 5, 16, 3, 1, 3, 1},
    {1, 7, 6, 5, 21, 3, 1, 0, 1, kRelu},
    {1, 3, 3, 4, 16, 5, 1, 4, 2},
    // Strides, dilations, windows of other sizes.
    {1, 9, 11, 10, 16, 3, 2, 1, 1, kRelu},
    {2, 8, 8, 12, 40, 3, 2, 1, 1},
    {1, 10, 9, 12, 24, 3, 1, 2, 2, kRelu},
    {1, 11, 13, 6, 16, 3, 2, 2, 2},
    {1, 9, 9, 6, 32, 1, 2, 0, 1},
    {1, 9, 9, 4, 32, 1, 3, 0, 1},
    {1, 9, 10, 6, 16, 2, 1, 0, 1},
    {1, 9, 10, 6, 16, 5, 2, 1, 1},
    // The stem: three channels of four, with and without the fourth.
    {1, 21, 19, 3, 64, 7, 2, 3, 1, kRelu, true, false, false, 1},
    {1, 21, 19, 3, 64, 7, 2, 3, 1, kRelu},
    {1, 15, 15, 3, 32, 3, 2, 0, 1, kRelu6, true, false, false, 1, 0, 0, 8, 8},
    {1, 6, 6, 2, 16, 3, 1, 1, 1, kRelu, true, false, false, 6},
    {1, 6, 6, 1, 16, 3, 1, 1, 1, kRelu, true, false, false, 3},
    // Distances between pixels.
    {2, 6, 7, 21, 20, 3, 1, 1, 1, kRelu, true, false, false, 11, 16},
    {1, 6, 7, 21, 20, 1, 1, 0, 1, kRelu, true, true, false, 1, 3, 5},
    // Residuals, in place and not.
    {1, 6, 7, 16, 64, 1, 1, 0, 1, kRelu, true, true},
    {1, 6, 7, 16, 64, 1, 1, 0, 1, kRelu, true, true, true},
    {2, 5, 7, 16, 37, 1, 1, 0, 1, Activation::kNone, false, true},
    {2, 5, 7, 130, 70, 3, 1, 1, 1, kRelu, true, true, true, 0, 5},
    {1, 5, 7, 16, 5, 1, 1, 0, 1, kRelu6, false, true},
    // Several depth blocks, groups of panels and super-blocks.
    {1, 5, 5, 384, 32, 1, 1, 0, 1},
    {1, 5, 5, 385, 48, 1, 1, 0, 1, kRelu},
    {1, 4, 4, 1030, 40, 1, 1, 0, 1, kRelu, true, true},
    {2, 7, 9, 96, 600, 3, 1, 1, 1, kRelu},
    {1, 13, 20, 65, 272, 3, 1, 1, 1},
    {1, 3, 5, 300, 1100, 1, 1, 0, 1, kRelu, true, true},
    // Windows that are read through pointers: few panels, long taps.
    {1, 5, 5, 32, 5, 3, 1, 1, 1, kRelu},
    {2, 9, 13, 40, 64, 3, 1, 1, 1, kRelu, true, true},
    {1, 9, 13, 256, 5, 3, 1, 1, 1, kRelu, true, false, false, 16},
    {1, 11, 12, 64, 24, 3, 2, 1, 1, kRelu6, false},
    {1, 12, 11, 33, 16, 3, 1, 2, 2, Activation::kNone, true, true, true, 0, 16},
    {1, 9, 9, 48, 10, 5, 1, 2, 1},
    {1, 14, 9, 32, 9, 7, 2, 3, 1},
    // A few output channels: vectors of pixels; rows longer than a patch, patches lower than the map, every number of
    // channels, windows of other sizes.
    {2, 28, 28, 64, 5, 3, 1, 1, 1, Activation::kNone, true, true, true},
    {1, 3, 70, 24, 5, 3, 1, 1, 1, kRelu6, true, true},
    {1, 9, 33, 255, 3, 3, 1, 1, 1, kRelu},
    {1, 6, 17, 341, 8, 3, 1, 1, 1},
    {1, 6, 17, 342, 8, 3, 1, 1, 1},
    {3, 5, 20, 13, 1, 3, 1, 0, 1, kRelu},
    {1, 5, 41, 6, 2, 2, 1, 1, 1, kRelu, false},
    {1, 4, 16, 7, 4, 5, 1, 2, 1, kRelu, true, true, false, 3, 5, 2},
    {2, 7, 36, 3, 6, 13, 1, 6, 1, kRelu},
    {1, 16, 15, 2, 7, 14, 1, 2, 1, kRelu},
    {1, 4, 4, 6, 7, 3, 1, 1, 1, kRelu, true, false, false, 0, 0, 0, 6, 7},
    // A last panel of 1 to 8 channels after wide ones.
    {1, 5, 6, 12, 37, 1, 1, 0, 1, kRelu, true, true},
    {1, 5, 6, 70, 66, 3, 1, 1, 1, kRelu6, true, true, true},
    {1, 3, 5, 400, 72, 1, 1, 0, 1},
    // A map so small that threads share its panels.
    {1, 1, 1, 40, 500, 3, 1, 1, 1, kRelu},
    {1, 2, 2, 12, 300, 1, 1, 0, 1},
    // Outputs that the map does not fill.
    {1, 4, 4, 6, 16, 3, 1, 1, 1, kRelu, true, false, false, 0, 0, 0, 6, 7},
};

}  // namespace

TEST_CASE("conv equals its definition") {
  uint32_t seed = 1;
  for (const Case& c : kCases) check_case(c, seed++);
}

TEST_CASE("conv equals its definition on random shapes") {
  Random random(7);
  for (int i = 0; i < 60; ++i) {
    Case c{};
    c.batch = 1 + random.below(3);
    c.h = 1 + random.below(9);
    c.w = 1 + random.below(14);
    c.in = 1 + random.below(random.below(2) == 0 ? 5 : 70);
    c.out = 1 + random.below(random.below(4) == 0 ? 8 : 100);
    c.kernel = 1 + random.below(4);
    c.stride = 1 + random.below(3);
    c.dilation = 1 + random.below(2);
    c.pad = random.below(4);
    const int reach = c.dilation * (c.kernel - 1) + 1;
    if (c.h + 2 * c.pad < reach || c.w + 2 * c.pad < reach) continue;
    c.activation = static_cast<Activation>(random.below(3));
    c.bias = random.below(3) != 0;
    c.residual = random.below(2) != 0;
    c.in_place = c.residual && random.below(2) != 0;
    c.extra_src = random.below(2) * random.below(9);
    c.extra_dst = random.below(2) * random.below(40);
    c.extra_residual = random.below(2) * random.below(9);
    check_case(c, 1000 + static_cast<uint32_t>(i));
  }
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
  refuses([](ConvOp& op) { op.src = nullptr; });
  refuses([](ConvOp& op) { op.dst = nullptr; });
  refuses([](ConvOp& op) { op.src_stride = 7; });
  refuses([](ConvOp& op) { op.dst_stride = 15; });
  refuses([](ConvOp& op) { op.out_w = 0; });
}

}  // namespace sln
