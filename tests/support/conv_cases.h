// Convolutions that every implementation is tested with: shapes, and the inputs of a shape.
#pragma once

#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <limits>
#include <ostream>
#include <vector>

#include "kernels/conv.h"
#include "tests/naive/conv.h"
#include "tests/support/op_buffers.h"

namespace sln_test {

using sln::Activation;
using sln::ConvOp;

struct ConvCase {
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

inline std::ostream& operator<<(std::ostream& os, const ConvCase& c) {
  return os << c.batch << "x" << c.h << "x" << c.w << " " << c.in << "->" << c.out << " kernel " << c.kernel
            << " stride " << c.stride << " pad " << c.pad << " dilation " << c.dilation << " activation "
            << static_cast<int>(c.activation) << " bias " << c.bias << " residual " << c.residual << c.in_place
            << " extra " << c.extra_src << " " << c.extra_dst << " " << c.extra_residual;
}

inline size_t count(int64_t a, int64_t b, int64_t c, int64_t d) {
  return static_cast<size_t>(a * b * c * d);
}

// Inputs of a case. Floats that conv() must not use (after the channels of a pixel) are NaN.
class ConvProblem {
 public:
  ConvProblem(const ConvCase& c, uint32_t seed) : c_(c) {
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
    return run([&] { sln::naive::conv(op, weights.data(), bias_data()); });
  }

  // The sum of the magnitudes that each output sums up: the scale of its rounding errors.
  std::vector<float> magnitudes() {
    ConvProblem absolute(*this);
    for (auto* values : {&absolute.src_, &absolute.weights, &absolute.bias, &absolute.residual_}) {
      for (float& v : *values) v = std::fabs(v);
    }
    absolute.op.src = absolute.src_.data();
    absolute.op.desc.activation = Activation::kNone;
    return absolute.naive();
  }

  // Of the batch's items only the first `items` are in use. The others are NaN.
  void use(int32_t items) {
    used_ = items;
    op.batch.used = &used_;
    spoil_behind(src_, count(items, c_.h, c_.w, op.src_stride));
    spoil_behind(residual_, count(items, op.out_h, op.out_w, op.residual_stride));
  }

  // Every n-th number of all inputs, on the average, becomes one of the values.
  void sprinkle(Random& random, int n, const std::vector<float>& values) {
    for (auto* input : {&src_, &weights, &bias, &residual_}) {
      for (float& x : *input) {
        if (random.below(n) == 0) x = values[static_cast<size_t>(random.below(static_cast<int>(values.size())))];
      }
    }
    spoil_gaps(src_, op.src_stride, c_.in);
    spoil_gaps(residual_, op.residual_stride, c_.out);
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

  static void spoil_behind(std::vector<float>& values, size_t used) {
    for (size_t i = used; i < values.size(); ++i) values[i] = std::numeric_limits<float>::quiet_NaN();
  }

  ConvCase c_;
  int written_ = 0;
  int32_t used_ = 0;
  std::vector<float> src_;
  std::vector<float> residual_;
};

constexpr Activation kRelu = Activation::kRelu;
constexpr Activation kRelu6 = Activation::kRelu6;

inline const std::vector<ConvCase> kConvCases = {
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

inline ConvCase random_conv_case(Random& random) {
  ConvCase c{};
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
  // Padded until the window fits.
  c.pad = std::max(c.pad, (reach - std::min(c.h, c.w) + 1) / 2);
  c.activation = static_cast<Activation>(random.below(3));
  c.bias = random.below(3) != 0;
  c.residual = random.below(2) != 0;
  c.in_place = c.residual && random.below(2) != 0;
  c.extra_src = random.below(2) * random.below(9);
  c.extra_dst = random.below(2) * random.below(40);
  c.extra_residual = random.below(2) * random.below(9);
  return c;
}

}  // namespace sln_test
