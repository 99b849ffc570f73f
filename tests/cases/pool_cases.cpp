#include "tests/cases/op_case.h"

namespace sln_test {
namespace {

constexpr auto kMax = sln::PoolKind::kMax;
constexpr auto kAverage = sln::PoolKind::kAverage;

struct Row {
  sln::PoolKind kind;
  int h, w, channels;
  int kernel, stride, pad;
  int extra_src = 0;  // src_stride - channels
  int extra_dst = 0;  // dst_stride - ceil16(channels)
  int shift = 0;      // floats
};

std::vector<Row> rows() {
  std::vector<Row> rows = {
      {kMax, 3, 3, 17, 3, 2, 1},     // mostly padding
      {kMax, 2, 1, 20, 2, 1, 2},     // windows that lie in the padding as a whole
      {kMax, 7, 9, 20, 1, 1, 0, 4},  // a copy
      {kMax, 7, 9, 20, 1, 3, 0, 0, 3},
      {kMax, 9, 8, 33, 3, 2, 1, 3, 0, 1},
      {kMax, 9, 8, 32, 3, 2, 1, 0, 0, 2},
      {kAverage, 9, 8, 37, 4, 4, 0, 3, 16, 1},
      {kAverage, 9, 8, 32, 4, 4, 0, 0, 0, 3},
      {kAverage, 16, 16, 261, 4, 4, 0, 11},  // as the RPN's, beside the global layers' place
      {kAverage, 8, 8, 12, 8, 1, 0},
      {kMax, 3, 3, 1, 1024, 1024, 1023},  // the largest window
  };
  for (const int channels : {1, 4, 5, 16, 21, 64}) {
    rows.push_back({kMax, 8, 8, channels, 3, 2, 1});  // the stem's, even size
    rows.push_back({kMax, 9, 7, channels, 3, 2, 1, 3, 16});
    rows.push_back({kMax, 1, 1, channels, 3, 2, 1, 1, 16});
    rows.push_back({kMax, 6, 5, channels, 2, 1, 0});
    rows.push_back({kMax, 5, 6, channels, 5, 3, 2});
    for (const int kernel : {1, 2, 4})
      rows.push_back({kAverage, 2 * kernel, 3 * kernel, channels, kernel, kernel, 0, kernel % 2, 16 * (kernel % 2)});
    rows.push_back({kAverage, 9, 9, channels, 3, 2, 0, 2});
  }
  return rows;
}

std::string text(const Row& c) {
  return words(c.kind == kMax ? "max" : "average", c.h, "x", c.w, "x", c.channels, "kernel", c.kernel, "stride",
               c.stride, "pad", c.pad, "extra", c.extra_src, c.extra_dst, "shift", c.shift);
}

OpProblem make(const Row& c, bool nasty, uint32_t seed) {
  Maker maker(seed, {-3, 1, nasty ? 3 + c.kernel * c.kernel : 0}, c.shift);
  sln::PoolOp op;
  op.kind = c.kind;
  op.in_h = c.h;
  op.in_w = c.w;
  op.src_stride = c.channels + c.extra_src;
  op.channels = c.channels;
  op.out_h = (c.h + 2 * c.pad - c.kernel) / c.stride + 1;
  op.out_w = (c.w + 2 * c.pad - c.kernel) / c.stride + 1;
  op.dst_stride = sln::ceil16(c.channels) + c.extra_dst;
  op.kernel = c.kernel;
  op.stride = c.stride;
  op.pad = c.pad;
  maker.buffers(op);
  return {op, maker.memory};
}

}  // namespace

template <>
OpCases cases_of<sln::PoolOp>() {
  return {both(rows(), text, make), timed<Row>(
                                        {
                                            {"max 3x3/2 64 @512", {kMax, 512, 512, 64, 3, 2, 1}},
                                            {"average 4x4 261 @256", {kAverage, 256, 256, 261, 4, 4, 0, 11}},
                                            {"average 2x2 69 @128", {kAverage, 128, 128, 69, 2, 2, 0, 11}},
                                        },
                                        make)};
}

}  // namespace sln_test
