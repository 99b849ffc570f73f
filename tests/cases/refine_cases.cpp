#include "tests/cases/op_case.h"

namespace sln_test {
namespace {

struct Row {
  int items, cells, channels;
  int extra = 0;         // logits_stride - channels
  bool residual = true;  // or the logits alone
  float range = 6;       // logits lie within -range..range
  int used = kAll;       // items
  int shift = 0;         // elements
};

std::vector<Row> rows() {
  std::vector<Row> rows = {
      {0, 16, 5, 11},
      {1, 16, 5},
      {3, 0, 5, 11},
      {3, 25, 5, 11, true, 90},
      {3, 25, 5, 11, false, 3e38f},
      // Items in use.
      {7, 49, 5, 11, true, 6, 0},
      {7, 49, 5, 11, true, 6, 1},
      {7, 9, 5, 11, false, 6, 4},
      {7, 9, 5, 11, true, 6, 7},
      // Not aligned.
      {3, 21, 5, 11, true, 6, kAll, 1},
      {3, 12, 4, 0, true, 6, kAll, 2},
      {3, 16, 5, 11, true, 6, kAll, 3},
  };
  for (const int side : {1, 3, 4, 7, 28}) rows.push_back({3, side * side, 5, 11, side % 2 == 0});
  for (int channels = 2; channels <= 16; ++channels)
    rows.push_back({5, 25, channels, channels % 3 * 2, channels % 2 == 0});
  return rows;
}

std::string text(const Row& c) {
  return words(c.items, "x", c.cells, "x", c.channels, "extra", c.extra, "residual", c.residual, "range", c.range,
               "used", c.used, "shift", c.shift);
}

OpProblem make(const Row& c, bool nasty, uint32_t seed) {
  Maker maker(seed, {-c.range, c.range, nasty ? 3 * c.channels : 0}, c.shift);
  sln::RefineOp op;
  op.items = maker.items(c.items, c.used);
  op.pixels_per_item = c.cells;
  op.logits_stride = c.channels + c.extra;
  op.channels = c.channels;
  if (c.residual) op.residual = Maker::wanted<float>();
  maker.buffers(op);
  return {op, maker.memory};
}

}  // namespace

template <>
OpCases cases_of<sln::RefineOp>() {
  return {both(rows(), text, make), timed<Row>({{"refine 5 @100x28", {100, 28 * 28, 5, 11}}}, make)};
}

}  // namespace sln_test
