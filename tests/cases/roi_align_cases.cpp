#include "kernels/roi_align.h"

#include <algorithm>
#include <limits>

#include "engine/error.h"
#include "tests/cases/op_case.h"

namespace sln_test {
namespace {

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr float kInfinity = std::numeric_limits<float>::infinity();

using Boxes = std::vector<float>;  // (N, 4) x0 y0 x1 y1, canvas pixels

struct Case {
  int h, w, channels, side;
  Boxes boxes;
  int extra_src = 0, extra_dst = 0;  // floats of a pixel after its channels, after ceil16 of them
  int shift = 0;                     // floats from the alignment of the maps
};

OpCase make(const Case& c, uint32_t seed, int used, int nasty) {
  OpCase made;
  made.memory = std::make_shared<CaseMemory>(seed);
  CaseMemory& memory = *made.memory;
  const auto room = static_cast<int>(c.boxes.size() / 4);
  sln::RoiAlignOp op;
  op.h = c.h, op.w = c.w, op.channels = c.channels;
  op.src_stride = c.channels + c.extra_src;
  const int64_t pixels = int64_t{c.h} * c.w;
  op.src = memory.rows(pixels, c.channels, op.src_stride, {-1, 1, nasty}, pixels, c.shift);
  op.items = items_of(memory, room, used);
  float* const boxes = memory.floats(int64_t{4} * room);
  std::copy_n(c.boxes.begin(), 4 * used_of(room, used), boxes);
  op.boxes = boxes;
  op.side = c.side;
  op.dst_stride = sln::ceil16(c.channels) + c.extra_dst;
  const int64_t bins = int64_t{room} * c.side * c.side;
  op.dst = memory.floats(bins > 0 ? (bins - 1) * op.dst_stride + sln::ceil16(c.channels) : 0, c.shift);
  made.op = op;
  return made;
}

const Boxes kWithin = {
    0,     0,    64,    64,     // the whole map of 16 x 16 pixels
    3.3f,  9.1f, 40.7f, 30.2f,  //
    60,    60,   64,    64,     // its last pixel
    0,     0,    1,     1,      // less than a pixel of it
    20.5f, 7,    20.5f, 50,     // no width
    5,     5,    6.5f,  64,
};
// Samples far outside, at exactly -1 and at exactly the map's size, and nowhere.
const Boxes kOutside = {-30.3f, -20.7f, 90.1f,     80.9f, -300,      -300, -200,   -200,   30,    40,   400, 411, -4,
                        2,      4,      2.001f,    12,    2,         20,   2.001f, kNan,   0,     8,    8,   0,   0,
                        kNan,   8,      kInfinity, 0,     kInfinity, 8,    -3e38f, -3e38f, 3e38f, 3e38f};

std::vector<Case> tested() {
  std::vector<Case> cases;
  for (const int channels : {1, 3, 5, 16, 21, 37}) {
    cases.push_back({16, 16, channels, 1, kWithin});
    cases.push_back({16, 16, channels, 7, kWithin, 3, 16});
    cases.push_back({16, 16, channels, 2, kOutside, 0, 1, 1});
  }
  cases.push_back({16, 16, 69, 28, kWithin, 11});
  cases.push_back({5, 13, 21, 9, kOutside, 3});
  cases.push_back({1, 1, 20, 9, kOutside});
  cases.push_back({4, 4, 5, 1, kOutside});
  cases.push_back({3, 3, 2, 130, {1, 2, 9, 8}});
  cases.push_back({4, 4, 5, 7, {}});
  return cases;
}

Boxes timed_boxes(int count, float canvas) {
  Random random(3);
  Boxes boxes;
  for (int i = 0; i < count; ++i) {
    const float x = random.uniform(0, canvas * 0.7f), y = random.uniform(0, canvas * 0.7f);
    boxes.insert(boxes.end(),
                 {x, y, x + random.uniform(0.05f, 0.3f) * canvas, y + random.uniform(0.05f, 0.3f) * canvas});
  }
  return boxes;
}

}  // namespace

std::vector<CaseRow> roi_align_cases(Purpose purpose) {
  std::vector<CaseRow> rows;
  if (purpose == Purpose::kTime) {
    rows.push_back({"roi align 261 @100x28", [] {
                      return make({256, 256, 261, 28, timed_boxes(100, 1024), 11}, 1, kAllItems, 0);
                    }});
    rows.push_back({"roi align 69 @100x28", [] {
                      return make({128, 128, 69, 28, timed_boxes(100, 512), 11}, 1, kAllItems, 0);
                    }});
    return rows;
  }
  for (const Case& c : tested()) {
    const auto seed = static_cast<uint32_t>(rows.size() + 1);
    const auto room = static_cast<int>(c.boxes.size() / 4);
    const std::string name =
        sln::concat("roi_align, ", room, " boxes, map ", c.h, "x", c.w, "x", c.channels, ", side ", c.side);
    rows.push_back({name, [=] { return make(c, seed, kAllItems, 0); }});
    for (const int used : {0, room / 2, room})
      rows.push_back({sln::concat(name, ", used ", used, ", nasty"), [=] { return make(c, seed, used, 50); }});
  }
  return rows;
}

}  // namespace sln_test
