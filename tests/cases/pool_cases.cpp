#include "kernels/pool.h"

#include "engine/error.h"
#include "tests/cases/op_case.h"

namespace sln_test {
namespace {

using sln::ceil16;

constexpr auto kMax = sln::PoolKind::kMax;
constexpr auto kAverage = sln::PoolKind::kAverage;

struct Case {
  const char* name;
  sln::PoolKind kind;
  int h, w, channels, kernel, stride, pad, out_h, out_w;
  int extra_src = 0, extra_dst = 0;  // floats of a pixel after its channels, after ceil16 of them
  int shift = 0;                     // floats from the alignment of src and dst
};

OpCase make(const Case& c, uint32_t seed, int nasty) {
  OpCase made;
  made.memory = std::make_shared<CaseMemory>(seed);
  CaseMemory& memory = *made.memory;
  sln::PoolOp op;
  op.kind = c.kind;
  op.in_h = c.h, op.in_w = c.w, op.channels = c.channels;
  op.src_stride = c.channels + c.extra_src;
  const int64_t pixels = int64_t{c.h} * c.w;
  op.src = memory.rows(pixels, c.channels, op.src_stride, {-3, 1, nasty}, pixels, c.shift);
  op.out_h = c.out_h, op.out_w = c.out_w;
  op.dst_stride = ceil16(c.channels) + c.extra_dst;
  op.dst = memory.floats((int64_t{c.out_h} * c.out_w - 1) * op.dst_stride + ceil16(c.channels), c.shift);
  op.kernel = c.kernel, op.stride = c.stride, op.pad = c.pad;
  made.op = op;
  return made;
}

// The names of what is tested say only what is special.
std::vector<Case> tested() {
  std::vector<Case> cases;
  for (const int channels : {1, 3, 4, 5, 16, 21, 64}) {
    cases.push_back({"the stem's", kMax, 8, 8, channels, 3, 2, 1, 4, 4});
    cases.push_back({"strides", kMax, 9, 7, channels, 3, 2, 1, 5, 4, 3, 16});
    cases.push_back({"one pixel", kMax, 1, 1, channels, 3, 2, 1, 1, 1, 1, 3});
    cases.push_back({"not aligned", kMax, 6, 5, channels, 2, 1, 0, 5, 4, 0, 0, 1});
    cases.push_back({"gaps between windows", kMax, 9, 9, channels, 2, 4, 0, 2, 2});
    cases.push_back({"windows in the padding", kMax, 3, 4, channels, 2, 1, 3, 8, 9});
    cases.push_back({"one value", kAverage, 4, 3, channels, 1, 1, 0, 4, 3, 3, 5});
    cases.push_back({"halves", kAverage, 6, 4, channels, 2, 2, 0, 3, 2, 0, 0, 3});
    cases.push_back({"overlapping", kAverage, 9, 9, channels, 3, 2, 0, 4, 4, 2});
    cases.push_back({"quarters", kAverage, 8, 12, channels, 4, 4, 0, 2, 3});
  }
  cases.push_back({"wide", kAverage, 8, 8, 261, 4, 4, 0, 2, 2, 11});
  return cases;
}

constexpr Case kTimed[] = {
    {"max pool 3x3/2 64 @512", kMax, 512, 512, 64, 3, 2, 1, 256, 256},
    {"max pool 3x3/2 32 @128", kMax, 128, 128, 32, 3, 2, 1, 64, 64},
    {"average pool 4x4 261 @256", kAverage, 256, 256, 261, 4, 4, 0, 64, 64, 11},
};

}  // namespace

std::vector<CaseRow> pool_cases(Purpose purpose) {
  std::vector<CaseRow> rows;
  if (purpose == Purpose::kTime) {
    for (const Case& c : kTimed) rows.push_back({c.name, [c] { return make(c, 1, 0); }});
    return rows;
  }
  for (const Case& c : tested()) {
    const auto seed = static_cast<uint32_t>(rows.size() + 1);
    const std::string name =
        sln::concat(c.kind == kMax ? "max pool, " : "average pool, ", c.name, ", ", c.channels, " channels");
    rows.push_back({name, [=] { return make(c, seed, 0); }});
    rows.push_back({name + ", nasty", [=] { return make(c, seed, 5); }});
  }
  return rows;
}

}  // namespace sln_test
