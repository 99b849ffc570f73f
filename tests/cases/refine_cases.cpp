#include "engine/error.h"
#include "kernels/semdist.h"
#include "tests/cases/op_case.h"

namespace sln_test {
namespace {

struct Case {
  int rois, cells;  // of a RoI
  int channels, stride;
  bool residual = true;
  int shift = 0;  // floats from the alignment of the logits
};

OpCase make(const Case& c, uint32_t seed, int used, const Values& values) {
  OpCase made;
  made.memory = std::make_shared<CaseMemory>(seed);
  CaseMemory& memory = *made.memory;
  const int64_t cells = int64_t{c.rois} * c.cells;
  const int64_t in_use = int64_t{used_of(c.rois, used)} * c.cells;
  sln::RefineOp op;
  op.items = items_of(memory, c.rois, used);
  op.ilm_logits = memory.rows(cells, c.channels, c.stride, values, in_use, c.shift);
  if (c.residual) op.residual = memory.rows(cells, c.channels, c.stride, values, in_use, c.shift);
  op.pixels_per_item = c.cells;
  op.logits_stride = c.stride;
  op.channels = c.channels;
  op.layers = memory.floats(cells * c.channels);
  op.confidence = memory.floats(cells);
  op.level = memory.bytes(cells);
  made.op = op;
  return made;
}

constexpr Case kTested[] = {
    {3, 1, 5, 16},       {3, 9, 5, 16},
    {2, 16, 5, 16},      {3, 784, 5, 16},
    {4, 49, 5, 5},       {5, 25, 2, 2},
    {5, 25, 3, 7},       {5, 25, 9, 16},
    {5, 25, 16, 16},     {3, 100, 16, 19, true, 1},
    {3, 9, 5, 8, false}, {2, 30, 2, 16, false, 2},
    {0, 16, 5, 16},      {3, 0, 5, 16},
};

}  // namespace

std::vector<CaseRow> refine_cases(Purpose purpose) {
  std::vector<CaseRow> rows;
  if (purpose == Purpose::kTime) {
    rows.push_back({"refine 5 @100x28", [] { return make({100, 784, 5, 16}, 1, kAllItems, {-6, 6}); }});
    return rows;
  }
  for (const Case& c : kTested) {
    const auto seed = static_cast<uint32_t>(rows.size() + 1);
    const std::string name = sln::concat("refine, ", c.rois, "x", c.cells, " cells, ", c.channels, " channels, stride ",
                                         c.stride, " residual ", c.residual, " shift ", c.shift);
    rows.push_back({name, [=] { return make(c, seed, kAllItems, {-6, 6}); }});
    // Of so few different logits many are equal.
    rows.push_back({name + ", ties", [=] { return make(c, seed, kAllItems, {0, 3e-45f}); }});
    for (int used = 0; used <= c.rois; ++used)
      rows.push_back({sln::concat(name, ", used ", used, ", nasty"), [=] { return make(c, seed, used, {-6, 6, 30}); }});
  }
  return rows;
}

}  // namespace sln_test
