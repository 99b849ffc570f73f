#include "tests/cases/depthwise_cases.h"

#include <cmath>

namespace sln_test {
namespace {

using sln::Activation;

std::vector<DepthwiseRow> rows() {
  std::vector<DepthwiseRow> rows;
  for (const int kernel : {3, 5})
    for (const int stride : {1, 2}) {
      // Tails of 8 pixels and of vectors of channels; maps smaller than the window.
      for (const int channels : {1, 16, 17, 48, 96}) rows.push_back(depthwise_row(18, 18, channels, kernel, stride));
      for (const int side : {2, 4, 8, 16}) rows.push_back(depthwise_row(side, side, 32, kernel, stride));
      for (const auto& [h, w] : {std::pair{1, 1}, {1, 19}, {19, 1}, {7, 9}, {5, 33}, {40, 8}})
        rows.push_back(depthwise_row(h, w, 20, kernel, stride));
      for (int pad = 0; pad < kernel; ++pad) {
        DepthwiseRow row = depthwise_row(11, 13, 24, kernel, stride);
        row.pad = pad;
        row.extra_src = 16 * pad;
        row.extra_dst = 5;
        row.out_w = (13 + pad) / stride + 1;  // beyond the map's right border
        rows.push_back(row);
      }
      for (const Activation activation : {Activation::kNone, Activation::kRelu}) {
        DepthwiseRow row = depthwise_row(9, 12, 33, kernel, stride);
        row.activation = activation;
        row.bias = activation != Activation::kNone;
        row.shift = row.bias ? 1 : 2;
        rows.push_back(row);
      }
    }
  return rows;
}

std::string text(const DepthwiseRow& c) {
  return words(c.h, "x", c.w, "x", c.channels, "kernel", c.kernel, "stride", c.stride, "pad", c.pad, "->", c.out_h, "x",
               c.out_w, "activation", static_cast<int>(c.activation), "bias", c.bias, "extra", c.extra_src, c.extra_dst,
               "shift", c.shift);
}

// EfficientNet-lite0 at side 256.
std::vector<Named<DepthwiseRow>> layers() {
  const auto square = [](int side, int channels, int kernel, int stride) {
    return depthwise_row(side, side, channels, kernel, stride);
  };
  return {
      {"dw 3x3 32 @128", square(128, 32, 3, 1)},   {"dw 3x3/2 96 @128", square(128, 96, 3, 2)},
      {"dw 3x3 144 @64", square(64, 144, 3, 1)},   {"dw 5x5/2 144 @64", square(64, 144, 5, 2)},
      {"dw 5x5 240 @32", square(32, 240, 5, 1)},   {"dw 3x3/2 240 @32", square(32, 240, 3, 2)},
      {"dw 3x3 480 @16", square(16, 480, 3, 1)},   {"dw 5x5 672 @16", square(16, 672, 5, 1)},
      {"dw 5x5/2 672 @16", square(16, 672, 5, 2)}, {"dw 5x5 1152 @8", square(8, 1152, 5, 1)},
      {"dw 3x3 1152 @8", square(8, 1152, 3, 1)},
  };
}

}  // namespace

DepthwiseRow depthwise_row(int h, int w, int channels, int kernel, int stride) {
  const int pad = stride == 1 ? kernel / 2 : (kernel - 2) / 2;
  return {h, w, channels, kernel, stride, pad, (h + stride - 1) / stride, (w + stride - 1) / stride};
}

OpProblem depthwise_problem(const DepthwiseRow& c, bool nasty, uint32_t seed) {
  Maker maker(seed, {-4, 4, nasty ? 10 + 2 * c.kernel * c.kernel : 0}, c.shift);
  sln::DepthwiseOp op;
  op.desc = {c.channels, c.kernel, c.stride, c.pad, c.activation};
  op.in_h = c.h;
  op.in_w = c.w;
  op.src_stride = sln::ceil16(c.channels) + c.extra_src;
  op.out_h = c.out_h;
  op.out_w = c.out_w;
  op.dst_stride = sln::ceil16(c.channels) + c.extra_dst;
  maker.buffers(op);
  // Channels that do not exist are read, too, and must be finite.
  auto* const src = const_cast<float*>(op.src);
  for (int64_t pixel = 0; pixel < int64_t{c.h} * c.w; ++pixel)
    for (int channel = c.channels; channel < sln::ceil16(c.channels); ++channel)
      if (!std::isfinite(src[pixel * op.src_stride + channel])) src[pixel * op.src_stride + channel] = 7;
  op.weights = maker.weights(int64_t{c.channels} * c.kernel * c.kernel, c.bias ? c.channels : 0);
  return {op, maker.memory};
}

template <>
OpCases cases_of<sln::DepthwiseOp>() {
  return {both(rows(), text, depthwise_problem), timed(layers(), depthwise_problem)};
}

}  // namespace sln_test
