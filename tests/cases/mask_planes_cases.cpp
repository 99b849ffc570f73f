#include "tests/cases/op_case.h"

namespace sln_test {
namespace {

struct Row {
  int items, cells, masks;
  int extra = 0;    // stride - masks
  int used = kAll;  // items
  int shift = 0;    // elements
  float range = 9;  // logits lie within -range..range
};

std::vector<Row> rows() {
  std::vector<Row> rows;
  for (const int masks : {1, 2}) {
    for (const int cells : {1, 9, 15, 16, 17, 49, 784}) rows.push_back({3, cells, masks, 16 - masks});
    rows.push_back({7, 25, masks});
    rows.push_back({7, 25, masks, 0, kAll, 0, 200});
    rows.push_back({0, 25, masks});
    rows.push_back({3, 0, masks});
    for (const int used : {0, 1, 4, 7}) rows.push_back({7, 9, masks, 3, used});
    for (const int shift : {1, 2, 3}) rows.push_back({3, 4 * shift + 1, masks, 2 * shift, kAll, shift});
    rows.push_back({3, 16, masks, 0, kAll, 1});
  }
  return rows;
}

std::string text(const Row& c) {
  return words(c.items, "x", c.cells, "masks", c.masks, "extra", c.extra, "used", c.used, "shift", c.shift, "range",
               c.range);
}

OpProblem make(const Row& c, bool nasty, uint32_t seed) {
  Maker maker(seed, {-c.range, c.range, nasty ? 4 : 0}, c.shift);
  sln::MaskPlanesOp op;
  op.items = maker.items(c.items, c.used);
  op.pixels_per_item = c.cells;
  op.stride = c.masks + c.extra;
  op.masks = c.masks;
  maker.buffers(op);
  return {op, maker.memory};
}

}  // namespace

template <>
OpCases cases_of<sln::MaskPlanesOp>() {
  const std::vector<Named<Row>> heads = {{"mask planes 1 @100x28", {100, 28 * 28, 1, 15}},
                                         {"mask planes 2 @100x28", {100, 28 * 28, 2, 14}}};
  return {both(rows(), text, make), timed(heads, make)};
}

}  // namespace sln_test
