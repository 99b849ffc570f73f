#include "engine/error.h"
#include "kernels/semdist.h"
#include "tests/cases/op_case.h"

namespace sln_test {
namespace {

struct Case {
  const char* name;
  int room, pixels;  // of an item
  int channels;
  int src_stride, dst_stride;  // floats
  int zero_pad;
  int semdist_stride;  // floats; 0: none is asked for
  int shift = 0;       // floats from the alignment of all maps
};

OpCase make(const Case& c, uint32_t seed, int used, int nasty) {
  OpCase made;
  made.memory = std::make_shared<CaseMemory>(seed);
  CaseMemory& memory = *made.memory;
  const int64_t pixels = int64_t{c.room} * c.pixels;
  const int64_t in_use = int64_t{used_of(c.room, used)} * c.pixels;
  sln::SoftmaxOp op;
  op.items = items_of(memory, c.room, used);
  op.src = memory.rows(pixels, c.channels, c.src_stride, {-12, 12, nasty}, in_use, c.shift);
  op.pixels_per_item = c.pixels;
  op.src_stride = c.src_stride;
  op.channels = c.channels;
  op.dst_stride = c.dst_stride;
  op.zero_pad = c.zero_pad;
  op.dst = memory.floats(pixels > 0 ? (pixels - 1) * c.dst_stride + c.channels + c.zero_pad : 0, c.shift);
  op.semdist_stride = c.semdist_stride;
  if (c.semdist_stride > 0) op.semdist = memory.floats(pixels > 0 ? (pixels - 1) * c.semdist_stride + 1 : 0, c.shift);
  made.op = op;
  return made;
}

// A map whose pixels hold the logits, behind them the probabilities and the sem-dist.
OpCase make_in_one_map(uint32_t seed, int shift) {
  OpCase made;
  made.memory = std::make_shared<CaseMemory>(seed);
  constexpr int kStride = 36;
  constexpr int kPixels = 100;
  float* const map = made.memory->rows(2 * kPixels, 33, kStride, {-12, 12}, 2 * kPixels, shift);
  sln::SoftmaxOp op;
  op.items = {2};
  op.pixels_per_item = kPixels;
  op.src = map, op.dst = map + 16, op.semdist = map + 32;
  op.src_stride = op.dst_stride = op.semdist_stride = kStride;
  op.channels = 5, op.zero_pad = 11;
  made.op = op;
  return made;
}

std::vector<Case> tested() {
  std::vector<Case> cases;
  for (const int pixels : {0, 1, 3, 15, 16, 17, 100, 1000}) {
    cases.push_back({"as the network has them", 1, pixels, 5, 16, 16, 11, 0});
    cases.push_back({"dense", 1, pixels, 5, 5, 7, 0, 1});
  }
  for (const int channels : {1, 2, 9, 16}) {
    cases.push_back({"wide pixels", 3, 77, channels, 16, 272, 16 - channels, 3});
    cases.push_back({"dense", 3, 77, channels, channels, channels + 2, 1, 0, 1});
    cases.push_back({"more zeros than channels", 2, 9, channels, 20, 40, 21, 1, 2});
  }
  return cases;
}

constexpr Case kTimed[] = {
    {"softmax 5 @256", 1, 256 * 256, 5, 16, 272, 11, 0},
    {"softmax 5 + semdist @100x28", 100, 28 * 28, 5, 16, 272, 0, 272},
};

}  // namespace

std::vector<CaseRow> softmax_cases(Purpose purpose) {
  std::vector<CaseRow> rows;
  if (purpose == Purpose::kTime) {
    for (const Case& c : kTimed) rows.push_back({c.name, [c] { return make(c, 1, kAllItems, 0); }});
    return rows;
  }
  for (const Case& c : tested()) {
    const auto seed = static_cast<uint32_t>(rows.size() + 1);
    const std::string name =
        sln::concat("softmax, ", c.name, ", ", c.room, "x", c.pixels, " pixels, ", c.channels, " channels");
    rows.push_back({name, [=] { return make(c, seed, kAllItems, 0); }});
    for (int used = 0; used <= c.room; ++used)
      rows.push_back({sln::concat(name, ", used ", used, ", nasty"), [=] { return make(c, seed, used, 40); }});
  }
  for (const int shift : {0, 1})
    rows.push_back({sln::concat("softmax, in one map, shift ", shift), [=] { return make_in_one_map(4, shift); }});
  return rows;
}

}  // namespace sln_test
