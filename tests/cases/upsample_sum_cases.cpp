#include "tests/cases/op_case.h"

namespace sln_test {
namespace {

struct Row {
  int h, w, channels;                           // of the sum
  std::vector<std::pair<int, int>> ratios;      // how many times each map is enlarged, (h, w)
  int extra_src = 0, extra_dst = 0, shift = 0;  // floats
};

std::vector<Row> rows() {
  std::vector<Row> rows = {
      {1, 1, 16, {{1, 1}}},
      {5, 4, 32, {{1, 1}, {1, 1}, {1, 1}}},
      {7, 3, 16, {{7, 1}, {1, 3}, {7, 3}}},  // the last map has one pixel
      {64, 96, 16, {{64, 96}, {32, 2}}, 3},
      {6, 10, 48, {{2, 2}, {1, 5}}, 1, 16, 1},
      {6, 10, 32, {{2, 2}, {1, 5}}, 0, 0, 2},
  };
  for (const int channels : {16, 48, 256}) {
    rows.push_back({16, 16, channels, {{2, 2}, {4, 4}, {8, 8}}});
    rows.push_back({8, 8, channels, {{2, 2}, {4, 4}, {8, 8}}, 1, 16});
    rows.push_back({9, 15, channels, {{3, 5}}});
  }
  return rows;
}

std::string text(const Row& c) {
  std::string all = words(c.h, "x", c.w, "x", c.channels, "extra", c.extra_src, c.extra_dst, "shift", c.shift, "from");
  for (const auto& [h, w] : c.ratios) all += words(" 1 /", h, "x", w);
  return all;
}

OpProblem make(const Row& c, bool nasty, uint32_t seed) {
  Maker maker(seed, {-1, 1, nasty ? 12 : 0}, c.shift);
  sln::UpsampleSumOp op;
  op.count = static_cast<int>(c.ratios.size());
  for (int i = 0; i < op.count; ++i) {
    const auto& [h, w] = c.ratios[static_cast<size_t>(i)];
    op.sources[i] = {nullptr, c.h / h, c.w / w, c.channels + c.extra_src * (i + 1)};
  }
  op.channels = c.channels;
  op.h = c.h;
  op.w = c.w;
  op.dst_stride = c.channels + c.extra_dst;
  maker.buffers(op);
  return {op, maker.memory};
}

}  // namespace

template <>
OpCases cases_of<sln::UpsampleSumOp>() {
  const std::vector<Named<Row>> fuse = {
      {"upsample sum 256 @256", {256, 256, 256, {{2, 2}, {4, 4}, {8, 8}}, 0, 16}},
      {"upsample sum 64 @128", {128, 128, 64, {{2, 2}, {4, 4}, {8, 8}}, 0, 16}},
  };
  return {both(rows(), text, make), timed(fuse, make)};
}

}  // namespace sln_test
