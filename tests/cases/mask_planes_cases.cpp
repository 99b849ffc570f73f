#include "kernels/mask_planes.h"

#include "engine/error.h"
#include "tests/cases/op_case.h"

namespace sln_test {
namespace {

struct Case {
  int rois, cells;  // of a RoI
  int masks, stride;
};

OpCase make(const Case& c, uint32_t seed, int used, int nasty) {
  OpCase made;
  made.memory = std::make_shared<CaseMemory>(seed);
  CaseMemory& memory = *made.memory;
  const int64_t cells = int64_t{c.rois} * c.cells;
  sln::MaskPlanesOp op;
  op.items = items_of(memory, c.rois, used);
  op.logits = memory.rows(cells, c.masks, c.stride, {-9, 9, nasty}, int64_t{used_of(c.rois, used)} * c.cells);
  op.pixels_per_item = c.cells;
  op.stride = c.stride;
  op.masks = c.masks;
  op.layers = memory.floats(cells * (c.masks + 1));
  op.confidence = memory.floats(cells);
  op.level = memory.bytes(cells);
  made.op = op;
  return made;
}

}  // namespace

std::vector<CaseRow> mask_planes_cases(Purpose purpose) {
  std::vector<CaseRow> rows;
  if (purpose == Purpose::kTime) {
    rows.push_back({"mask planes 2 @100x28", [] { return make({100, 784, 2, 16}, 1, kAllItems, 0); }});
    return rows;
  }
  for (const int masks : {1, 2}) {
    for (const Case& c : {Case{3, 1, masks, 16},
                          {3, 9, masks, 16},
                          {2, 16, masks, 16},
                          {3, 49, masks, 3},
                          {3, 784, masks, 16},
                          {7, 25, masks, masks},
                          {0, 16, masks, 16},
                          {3, 0, masks, 16}}) {
      const auto seed = static_cast<uint32_t>(rows.size() + 1);
      const std::string name =
          sln::concat("mask_planes, ", c.rois, "x", c.cells, " cells, ", masks, " masks, stride ", c.stride);
      rows.push_back({name, [=] { return make(c, seed, kAllItems, 0); }});
      for (int used = 0; used <= c.rois; ++used)
        rows.push_back({sln::concat(name, ", used ", used, ", nasty"), [=] { return make(c, seed, used, 4); }});
    }
  }
  return rows;
}

}  // namespace sln_test
