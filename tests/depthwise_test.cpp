// The depthwise convolution against its definition (tests/naive/depthwise.h): the same bytes with fused multiply-adds
// on every instruction set and number of threads, close to the double one everywhere.
#include "kernels/depthwise.h"

#include <catch2/catch.hpp>
#include <cmath>
#include <limits>
#include <memory>
#include <sstream>
#include <vector>

#include "kernels/cpu/depthwise_internal.h"
#include "kernels/cpu/parallel.h"
#include "tests/naive/depthwise.h"
#include "tests/support/allocations.h"
#include "tests/support/op_buffers.h"
#include "tests/support/padded.h"

namespace sln {
namespace {

using sln_test::Guarded;
using sln_test::Random;

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

struct Case {
  int h, w, channels;
  int kernel, stride;
  int pad, out_h, out_w;
  Activation activation = Activation::kRelu6;
  bool bias = true;
  int extra_src = 0, extra_dst = 0;  // floats of a pixel after ceil16(channels)
};

std::ostream& operator<<(std::ostream& os, const Case& c) {
  return os << c.h << "x" << c.w << "x" << c.channels << " kernel " << c.kernel << " stride " << c.stride << " pad "
            << c.pad << " -> " << c.out_h << "x" << c.out_w << " activation " << static_cast<int>(c.activation)
            << " bias " << c.bias << " extra " << c.extra_src << " " << c.extra_dst;
}

// As the encoder has them: stride 1 keeps the size, stride 2 halves even sides with k - 2 zeros in all.
Case usual(int h, int w, int channels, int kernel, int stride) {
  const int pad = stride == 1 ? kernel / 2 : (kernel - 2) / 2;
  return {h, w, channels, kernel, stride, pad, (h + stride - 1) / stride, (w + stride - 1) / stride};
}

class Problem {
 public:
  Problem(const Case& c, uint32_t seed) {
    op.desc = {c.channels, c.kernel, c.stride, c.pad, c.activation};
    Random random(seed);
    const int stride = ceil16(c.channels) + c.extra_src;
    src = random.vector(static_cast<size_t>(c.h) * c.w * stride, -4, 4);
    for (size_t i = 0; i < src.size(); ++i) {
      const int at = static_cast<int>(i % static_cast<size_t>(stride));
      if (at >= c.channels) src[i] = at < ceil16(c.channels) ? 0.0f : kNan;
    }
    weights = random.vector(static_cast<size_t>(c.channels) * c.kernel * c.kernel);
    if (c.bias) bias = random.vector(static_cast<size_t>(c.channels));
    op.src = src.data();
    op.in_h = c.h;
    op.in_w = c.w;
    op.src_stride = stride;
    op.out_h = c.out_h;
    op.out_w = c.out_w;
    op.dst_stride = ceil16(c.channels) + c.extra_dst;
    packed = std::make_unique<Guarded<float>>(cpu::packed_bytes(op.desc) / sizeof(float));
    op.weights = cpu::pack(op.desc, weights.data(), bias_data(), packed->data());
    CHECK(packed->intact());
  }
  const float* bias_data() const { return bias.empty() ? nullptr : bias.data(); }

  std::vector<float> run(cpu::Isa isa, int threads) {
    cpu::ThreadPool pool(threads);
    Guarded<float> dst(static_cast<size_t>(op.out_h) * op.out_w * op.dst_stride);
    op.dst = dst.data();
    const int64_t before = test::allocation_count();
    cpu::depthwise_for(isa, op, pool);
    CHECK(test::allocation_count() == before);
    CHECK(dst.intact());
    return dst.values();
  }

  template <typename Real>
  std::vector<Real> naive() const {
    std::vector<Real> out(static_cast<size_t>(op.out_h) * op.out_w * op.dst_stride, kNan);
    for (size_t i = 0; i < out.size(); ++i) {
      const int channel = static_cast<int>(i % op.dst_stride);
      const int pixel = static_cast<int>(i / op.dst_stride);
      if (channel < op.desc.channels)
        out[i] =
            sln_naive::depthwise_at<Real>(op, weights.data(), bias_data(), pixel / op.out_w, pixel % op.out_w, channel);
      else if (channel < ceil16(op.desc.channels))
        out[i] = 0;
    }
    return out;
  }

  DepthwiseOp op;
  std::vector<float> src, weights, bias;
  std::unique_ptr<Guarded<float>> packed;
};

// Largest difference; infinite where exactly one of two values is NaN.
double farthest(const std::vector<float>& found, const std::vector<double>& expected) {
  double worst = 0;
  for (size_t i = 0; i < found.size(); ++i) {
    if (std::isnan(found[i]) && std::isnan(expected[i])) continue;
    const double d = std::fabs(static_cast<double>(found[i]) - expected[i]);
    worst = d >= 0 ? std::max(worst, d) : std::numeric_limits<double>::infinity();
  }
  return worst;
}

void check_case(const Case& c, uint32_t seed) {
  CAPTURE(c);
  Problem problem(c, seed);
  const std::vector<float> expected = problem.naive<float>();
  const std::vector<double> exact = problem.naive<double>();
  for (const cpu::Isa isa : {cpu::Isa::kSse4, cpu::Isa::kAvx2, cpu::Isa::kAvx512}) {
    if (!cpu::isa_supported(isa)) continue;
    CAPTURE(cpu::isa_name(isa));
    std::vector<float> first;
    for (int threads = 1; threads <= 3; ++threads) {
      const std::vector<float> found = problem.run(isa, threads);
      if (threads == 1) first = found;
      CHECK(sln_test::same_bytes(found, first));
    }
    CHECK(farthest(first, exact) <= 2e-5);  // sums of up to 25 products of up to 4
    if (isa != cpu::Isa::kSse4) CHECK(sln_test::same_bytes(first, expected));
  }
}

}  // namespace

TEST_CASE("depthwise is its definition on the encoder's shapes") {
  uint32_t seed = 1;
  for (const int kernel : {3, 5})
    for (const int stride : {1, 2})
      for (const int channels : {1, 16, 17, 48, 96})
        for (const int side : {2, 4, 8, 16, 18, 32}) check_case(usual(side, side, channels, kernel, stride), seed++);
}

TEST_CASE("depthwise is its definition on odd shapes, pads and strides of pixels") {
  uint32_t seed = 100;
  for (const int kernel : {3, 5})
    for (const int stride : {1, 2}) {
      for (const auto& [h, w] : {std::pair<int, int>{1, 1}, {1, 19}, {19, 1}, {7, 9}, {5, 33}, {40, 8}})
        check_case(usual(h, w, 20, kernel, stride), seed++);
      for (int pad = 0; pad < kernel; ++pad) {
        Case c = usual(11, 13, 24, kernel, stride);
        c.pad = pad;
        c.extra_src = 16 * pad;
        c.extra_dst = 5;
        c.out_w = (13 + pad) / stride + 1;  // beyond the map's right border
        check_case(c, seed++);
      }
      for (const Activation activation : {Activation::kNone, Activation::kRelu}) {
        Case c = usual(9, 12, 33, kernel, stride);
        c.activation = activation;
        c.bias = activation != Activation::kNone;
        check_case(c, seed++);
      }
    }
}

TEST_CASE("depthwise lets NaN through to the windows that hold it, and ReLU6 keeps it") {
  Problem problem(usual(9, 20, 16, 3, 1), 7);
  problem.src[(4 * 20 + 10) * 16 + 3] = kNan;
  for (const cpu::Isa isa : {cpu::Isa::kSse4, cpu::Isa::kAvx2, cpu::Isa::kAvx512}) {
    if (!cpu::isa_supported(isa)) continue;
    const std::vector<float> found = problem.run(isa, 2);
    int nans = 0;
    for (size_t i = 0; i < found.size(); ++i) {
      const int channel = static_cast<int>(i % 16), x = static_cast<int>(i / 16 % 20), y = static_cast<int>(i / 320);
      const bool touched = channel == 3 && std::abs(x - 10) <= 1 && std::abs(y - 4) <= 1;
      CHECK(std::isnan(found[i]) == touched);
      nans += touched ? 1 : 0;
      if (!touched) CHECK((found[i] >= 0 && found[i] <= 6));
    }
    CHECK(nans == 9);
  }
}

TEST_CASE("depthwise refuses what it is not made for") {
  const std::vector<float> weights(16 * 49, 0.5f);
  std::vector<float> place(16 * 64);
  const auto pack = [&](DepthwiseDesc desc) { return cpu::pack(desc, weights.data(), nullptr, place.data()); };
  CHECK_THROWS(pack({16, 7, 1, 3}));
  CHECK_THROWS(pack({16, 3, 3, 1}));
  CHECK_THROWS(pack({0, 3, 1, 1}));
  CHECK_THROWS(pack({16, 3, 1, 3}));
  CHECK_THROWS(cpu::pack(DepthwiseDesc{16, 3, 1, 1}, nullptr, nullptr, place.data()));
  Problem problem(usual(8, 8, 20, 3, 1), 1);
  cpu::ThreadPool pool(1);
  problem.op.dst = problem.src.data();
  problem.op.src_stride = 20;
  CHECK_THROWS(cpu::run(problem.op, nullptr, pool));
}

}  // namespace sln
