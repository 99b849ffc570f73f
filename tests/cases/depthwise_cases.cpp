#include "kernels/depthwise.h"

#include "engine/error.h"
#include "tests/cases/op_case.h"

namespace sln_test {
namespace {

using sln::Activation;
using sln::ceil16;

struct Case {
  int h, w, channels;
  int kernel, stride;
  int pad, out_h, out_w;
  Activation activation = Activation::kRelu6;
  bool bias = true;
  int extra_src = 0, extra_dst = 0;  // floats of a pixel after ceil16(channels)
  int shift = 0;                     // floats from the alignment of src and dst
};

std::string name_of(const Case& c) {
  return sln::concat("depthwise ", c.h, "x", c.w, "x", c.channels, " kernel ", c.kernel, " stride ", c.stride, " pad ",
                     c.pad, " -> ", c.out_h, "x", c.out_w, " activation ", static_cast<int>(c.activation), " bias ",
                     c.bias, " extra ", c.extra_src, " ", c.extra_dst, " shift ", c.shift);
}

// Channels that do not exist are finite, as whoever writes the map leaves them.
OpCase make(const Case& c, uint32_t seed, int nasty) {
  OpCase made;
  made.memory = std::make_shared<CaseMemory>(seed);
  CaseMemory& memory = *made.memory;
  const int padded = ceil16(c.channels);
  sln::DepthwiseOp op;
  op.desc = {c.channels, c.kernel, c.stride, c.pad, c.activation};
  op.in_h = c.h, op.in_w = c.w;
  op.src_stride = padded + c.extra_src;
  const int64_t pixels = int64_t{c.h} * c.w;
  float* const src = memory.rows(pixels, padded, op.src_stride, {-4, 4, nasty}, pixels, c.shift);
  for (int64_t pixel = 0; pixel < pixels; ++pixel)
    for (int channel = c.channels; channel < padded; ++channel) src[pixel * op.src_stride + channel] = 0;
  op.src = src;
  op.out_h = c.out_h, op.out_w = c.out_w;
  op.dst_stride = padded + c.extra_dst;
  op.dst = memory.floats((int64_t{c.out_h} * c.out_w - 1) * op.dst_stride + padded, c.shift);
  made.weights = memory.fill(int64_t{c.channels} * c.kernel * c.kernel, {-1, 1, nasty});
  if (c.bias) made.bias = memory.fill(c.channels, {-1, 1, nasty});
  made.op = op;
  return made;
}

// As the encoder has them: stride 1 keeps the size, stride 2 halves even sides with k - 2 zeros in all.
Case usual(int h, int w, int channels, int kernel, int stride) {
  const int pad = stride == 1 ? kernel / 2 : (kernel - 2) / 2;
  return {h, w, channels, kernel, stride, pad, (h + stride - 1) / stride, (w + stride - 1) / stride};
}

std::vector<Case> tested() {
  std::vector<Case> cases;
  for (const int kernel : {3, 5}) {
    for (const int stride : {1, 2}) {
      for (const int channels : {1, 16, 17, 48, 96})
        for (const int side : {2, 4, 18}) cases.push_back(usual(side, side, channels, kernel, stride));
      for (const auto& [h, w] : {std::pair<int, int>{1, 1}, {1, 19}, {19, 1}, {7, 9}, {5, 33}})
        cases.push_back(usual(h, w, 20, kernel, stride));
      for (int pad = 0; pad < kernel; ++pad) {
        Case c = usual(11, 13, 24, kernel, stride);
        c.pad = pad;
        c.extra_src = 16 * pad;
        c.extra_dst = 5;
        c.out_w = (13 + pad) / stride + 1;  // beyond the map's right border
        cases.push_back(c);
      }
      for (const Activation activation : {Activation::kNone, Activation::kRelu}) {
        Case c = usual(9, 12, 33, kernel, stride);
        c.activation = activation;
        c.bias = activation != Activation::kNone;
        c.shift = activation == Activation::kNone ? 1 : 0;
        cases.push_back(c);
      }
    }
  }
  return cases;
}

// Those of EfficientNet-lite0 at side 256.
struct Timed {
  const char* name;
  int side, channels, kernel, stride;
};

constexpr Timed kTimed[] = {
    {"dw 3x3 32 @128", 128, 32, 3, 1},   {"dw 3x3/2 96 @128", 128, 96, 3, 2}, {"dw 3x3 144 @64", 64, 144, 3, 1},
    {"dw 5x5/2 144 @64", 64, 144, 5, 2}, {"dw 5x5 240 @32", 32, 240, 5, 1},   {"dw 3x3/2 240 @32", 32, 240, 3, 2},
    {"dw 3x3 480 @16", 16, 480, 3, 1},   {"dw 5x5 672 @16", 16, 672, 5, 1},   {"dw 5x5/2 672 @16", 16, 672, 5, 2},
    {"dw 5x5 1152 @8", 8, 1152, 5, 1},   {"dw 3x3 1152 @8", 8, 1152, 3, 1},
};

}  // namespace

std::vector<CaseRow> depthwise_cases(Purpose purpose) {
  std::vector<CaseRow> rows;
  if (purpose == Purpose::kTime) {
    for (const Timed& t : kTimed)
      rows.push_back({t.name, [t] { return make(usual(t.side, t.side, t.channels, t.kernel, t.stride), 1, 0); }});
    return rows;
  }
  for (const Case& c : tested()) {
    const auto seed = static_cast<uint32_t>(rows.size() + 1);
    rows.push_back({name_of(c), [=] { return make(c, seed, 0); }});
    rows.push_back({name_of(c) + ", nasty", [=] { return make(c, seed, 60); }});
  }
  return rows;
}

}  // namespace sln_test
