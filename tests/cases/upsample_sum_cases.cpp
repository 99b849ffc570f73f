#include "kernels/upsample_sum.h"

#include "engine/error.h"
#include "tests/cases/op_case.h"

namespace sln_test {
namespace {

struct Case {
  const char* name;
  int h, w, channels;
  std::vector<std::pair<int, int>> ratios;  // of dst's sides to those of each source
  int extra_src = 0, extra_dst = 0;         // floats of a pixel after its channels
  int shift = 0;                            // floats from the alignment of all maps
};

OpCase make(const Case& c, uint32_t seed, int nasty) {
  OpCase made;
  made.memory = std::make_shared<CaseMemory>(seed);
  CaseMemory& memory = *made.memory;
  sln::UpsampleSumOp op;
  for (const auto& [ratio_h, ratio_w] : c.ratios) {
    const int h = c.h / ratio_h, w = c.w / ratio_w, stride = c.channels + c.extra_src;
    const int64_t pixels = int64_t{h} * w;
    op.sources[op.count++] = {memory.rows(pixels, c.channels, stride, {-1, 1, nasty}, pixels, c.shift), h, w, stride};
  }
  op.channels = c.channels;
  op.h = c.h, op.w = c.w;
  op.dst_stride = c.channels + c.extra_dst;
  op.dst = memory.floats((int64_t{c.h} * c.w - 1) * op.dst_stride + c.channels, c.shift);
  made.op = op;
  return made;
}

std::vector<Case> tested() {
  std::vector<Case> cases;
  for (const int channels : {16, 48, 256}) {
    cases.push_back({"three maps", 16, 16, channels, {{2, 2}, {4, 4}, {8, 8}}});
    cases.push_back({"one of one pixel", 8, 8, channels, {{2, 2}, {4, 4}, {8, 8}}, 1, 16});
    cases.push_back({"two maps", 6, 10, channels, {{2, 2}, {1, 5}}, 4, 1});
    cases.push_back({"one map", 9, 15, channels, {{3, 5}}, 0, 0, 1});
    cases.push_back({"one pixel", 1, 1, channels, {{1, 1}}});
    cases.push_back({"of one row or column", 7, 3, channels, {{7, 1}, {1, 3}, {7, 3}}, 0, 4, 2});
  }
  return cases;
}

const std::vector<Case> kTimed = {
    {"upsample sum 256 @256", 256, 256, 256, {{2, 2}, {4, 4}, {8, 8}}, 0, 16},
    {"upsample sum 64 @64", 64, 64, 64, {{2, 2}, {4, 4}, {8, 8}}, 0, 16},
};

}  // namespace

std::vector<CaseRow> upsample_sum_cases(Purpose purpose) {
  std::vector<CaseRow> rows;
  if (purpose == Purpose::kTime) {
    for (const Case& c : kTimed) rows.push_back({c.name, [c] { return make(c, 1, 0); }});
    return rows;
  }
  for (const Case& c : tested()) {
    const auto seed = static_cast<uint32_t>(rows.size() + 1);
    const std::string name = sln::concat("upsample_sum, ", c.name, ", ", c.channels, " channels");
    rows.push_back({name, [=] { return make(c, seed, 0); }});
    rows.push_back({name + ", nasty", [=] { return make(c, seed, 20); }});
  }
  return rows;
}

}  // namespace sln_test
