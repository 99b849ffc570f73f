#include "tests/cases/op_case.h"

namespace sln_test {
namespace {

struct Row {
  int items, pixels, channels;
  int extra_src = 0;       // src_stride - channels
  int zero_pad = 0;        // floats
  int extra_dst = 0;       // dst_stride - channels - zero_pad
  int semdist_stride = 0;  // 0: none is asked for
  float range = 12;        // logits lie within -range..range
  int used = kAll;         // items
  int shift = 0;           // floats
  bool one_map = false;    // logits, probabilities and sums are parts of the same pixels
};

std::vector<Row> rows() {
  std::vector<Row> rows = {
      {1, 0, 5},
      {0, 50, 5, 11, 11, 0, 1},
      {3, 7, 5, 0, 0, 0, 1, 90},
      {3, 7, 5, 0, 0, 0, 1, 3e38f},
      {1, 300, 5, 11, 11, 0, 1, 1},
      // Items in use.
      {7, 50, 5, 11, 11, 0, 0, 12, 0},
      {7, 50, 5, 11, 11, 0, 0, 12, 1},
      {7, 50, 5, 11, 11, 0, 0, 12, 7},
      {7, 43, 3, 1, 0, 0, 2, 12, 4},
      // Beside other buffers, and not aligned.
      {2, 100, 5, 0, 11, 0, 1, 12, kAll, 0, true},
      {3, 33, 5, 0, 11, 0, 1, 12, 2, 1, true},
      {2, 21, 5, 11, 11, 0, 1, 12, kAll, 1},
      {2, 21, 4, 0, 0, 0, 0, 12, kAll, 2},
      {2, 21, 16, 0, 0, 0, 4, 12, kAll, 3},
  };
  for (const int pixels : {1, 15, 16, 17, 1000}) {
    rows.push_back({1, pixels, 5, 11, 11});
    rows.push_back({1, pixels, 5, 0, 0, 2, 1});
  }
  for (int channels = 1; channels <= 16; ++channels) {
    rows.push_back({1, 77, channels, 16 - channels, 16 - channels, 256, 3});
    rows.push_back({1, 77, channels, channels % 4, channels % 3, 2});
  }
  return rows;
}

std::string text(const Row& c) {
  return words(c.items, "x", c.pixels, "x", c.channels, "extra", c.extra_src, c.extra_dst, "zeros", c.zero_pad,
               "semdist", c.semdist_stride, "range", c.range, "used", c.used, "shift", c.shift, "one map", c.one_map);
}

OpProblem make(const Row& c, bool nasty, uint32_t seed) {
  Maker maker(seed, {-c.range, c.range, nasty ? 2 * c.channels : 0}, c.shift);
  sln::SoftmaxOp op;
  op.items = maker.items(c.items, c.used);
  op.pixels_per_item = c.pixels;
  op.src_stride = c.channels + c.extra_src;
  op.channels = c.channels;
  op.dst_stride = c.channels + c.zero_pad + c.extra_dst;
  op.zero_pad = c.zero_pad;
  op.semdist_stride = c.semdist_stride;
  if (c.semdist_stride > 0) op.semdist = Maker::wanted<float>();
  if (c.one_map) {
    // Features, logits, probabilities, features, the sum.
    const int probabilities = 8 + c.channels + 3;
    const int stride = probabilities + c.channels + c.zero_pad + 4;
    float* const map = maker.poisoned<float>({op.items, c.pixels, stride, stride});
    op.src = map + 8, op.dst = map + probabilities, op.semdist = map + stride - 1;
    op.src_stride = op.dst_stride = op.semdist_stride = stride;
    maker.fill(map + 8, {op.items, c.pixels, c.channels, stride});
  }
  maker.buffers(op);
  return {op, maker.memory};
}

}  // namespace

template <>
OpCases cases_of<sln::SoftmaxOp>() {
  const std::vector<Named<Row>> stages = {
      {"softmax glm 5 @256", {1, 256 * 256, 5, 11, 11, 256}},
      {"softmax ilm 5 @100x28", {100, 28 * 28, 5, 11, 11, 0, 272}},
      {"softmax glm 5 @128", {1, 128 * 128, 5, 11, 11, 64}},
  };
  return {both(rows(), text, make), timed(stages, make)};
}

}  // namespace sln_test
