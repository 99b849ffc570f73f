#include "kernels/proposals.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "engine/error.h"
#include "tests/cases/op_case.h"

namespace sln_test {
namespace {

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr float kInfinity = std::numeric_limits<float>::infinity();

// How the maps are filled.
enum class Maps {
  kOrdinary,
  kTies,       // few different logits, both zeros among them
  kNasty,      // NaN and infinities in logits and deltas
  kSameBoxes,  // every anchor has the same box
  kAllNan      // no logit is a number
};

struct Case {
  int grid, per_cell;
  float side;
  Maps maps = Maps::kOrdinary;
  int pre_nms = 1000;
  float nms_iou = 0.7f;
  int max_rois = 100;
  float score_threshold = 0;
  float min_box = 4;
  int extra_objectness = 1, extra_deltas = 3;  // floats of a cell after its anchors' ones
};

float logit_of(Random& random, Maps maps) {
  const float ordinary = random.uniform(-6, 6);
  switch (maps) {
    case Maps::kTies:
      return random.below(5) == 0 ? -0.0f : static_cast<float>(random.below(3));
    case Maps::kNasty:
      return random.below(8) == 0 ? std::vector<float>{kNan, -kNan, kInfinity, -kInfinity, -0.0f, 0.0f}[random.below(6)]
                                  : ordinary;
    case Maps::kAllNan:
      return random.below(2) == 0 ? kNan : -kNan;
    default:
      return ordinary;
  }
}

OpCase make(const Case& c, uint32_t seed) {
  OpCase made;
  made.memory = std::make_shared<CaseMemory>(seed);
  CaseMemory& memory = *made.memory;
  sln::ProposalsOp op;
  op.grid = c.grid, op.anchors_per_cell = c.per_cell, op.side = c.side;
  const int64_t cells = op.cells();
  op.objectness_stride = c.per_cell + c.extra_objectness;
  op.deltas_stride = 4 * c.per_cell + c.extra_deltas;
  float* const objectness = memory.rows(cells, c.per_cell, op.objectness_stride, {}, 0);
  float* const deltas = memory.rows(cells, int64_t{4} * c.per_cell, op.deltas_stride, {}, 0);
  float* const anchors = memory.floats(op.anchor_count() * 4);
  const float step = c.side / static_cast<float>(c.grid);
  for (int64_t i = 0; i < op.anchor_count(); ++i) {
    const int64_t cell = i / c.per_cell, a = i % c.per_cell;
    objectness[cell * op.objectness_stride + a] = logit_of(memory.random, c.maps);
    for (int k = 0; k < 4; ++k) {
      const bool nasty = c.maps == Maps::kNasty && memory.random.below(40) == 0;
      const float delta = c.maps == Maps::kSameBoxes ? 0.0f : memory.random.uniform(-0.5f, 0.5f);
      deltas[cell * op.deltas_stride + 4 * a + k] = nasty ? (memory.random.below(2) == 0 ? kNan : kInfinity) : delta;
    }
    const float size = c.side * (0.1f + 0.15f * static_cast<float>(a % 5));
    const float own[4] = {step * (static_cast<float>(cell % c.grid) + 0.5f),
                          step * (static_cast<float>(cell / c.grid) + 0.5f), size * (a % 2 == 0 ? 1.0f : 1.5f), size};
    const float same[4] = {c.side / 2, c.side / 2, c.side / 4, c.side / 8};
    std::copy_n(c.maps == Maps::kSameBoxes ? same : own, 4, anchors + 4 * i);
  }
  op.objectness = objectness, op.deltas = deltas, op.anchors = anchors;
  op.pre_nms = c.pre_nms, op.nms_iou = c.nms_iou, op.min_box = c.min_box;
  op.max_rois = c.max_rois, op.score_threshold = c.score_threshold;
  op.boxes = memory.floats(int64_t{4} * c.max_rois);
  op.scores = memory.floats(c.max_rois);
  op.anchor_index = memory.integers(c.max_rois);
  op.count = memory.integers(1);
  made.op = op;
  return made;
}

std::vector<Case> tested() {
  std::vector<Case> cases;
  for (const Maps maps : {Maps::kOrdinary, Maps::kTies, Maps::kNasty, Maps::kSameBoxes, Maps::kAllNan}) {
    for (const float nms_iou : {0.0f, 0.5f, 1.0f}) {
      for (const float threshold : {0.0f, 0.5f}) {
        cases.push_back({1, 1, 64, maps, 1, nms_iou, 1, threshold});
        cases.push_back({4, 15, 128, maps, 1000, nms_iou, 17, threshold});    // more than the anchors
        cases.push_back({7, 3, 256, maps, 100, nms_iou, 100, threshold, 0});  // fewer
        cases.push_back({8, 4, 128, maps, 256, nms_iou, 1024, threshold, 4, 0, 0});
      }
    }
    cases.push_back({16, 15, 256, maps, 1500, 0.9f, 1024});
    cases.push_back({16, 15, 256, maps, 1500, 0.3f, 64, 1.0f});
    cases.push_back({3, 2, 96, maps, 1, 0.7f, 5});
    cases.push_back({3, 2, 96, maps, 17, 0.7f, 5, 0, 96});  // a box must be as large as the canvas
  }
  return cases;
}

}  // namespace

std::vector<CaseRow> proposals_cases(Purpose purpose) {
  std::vector<CaseRow> rows;
  if (purpose == Purpose::kTime) {
    rows.push_back({"proposals 61440, 6000, 100", [] {
                      return make({64, 15, 1024, Maps::kOrdinary, 6000, 0.7f, 100}, 1);
                    }});
    rows.push_back({"proposals 15360, 1000, 100", [] {
                      return make({32, 15, 512, Maps::kOrdinary, 1000, 0.7f, 100}, 1);
                    }});
    return rows;
  }
  for (const Case& c : tested()) {
    const auto seed = static_cast<uint32_t>(rows.size() + 1);
    rows.push_back({sln::concat("proposals, grid ", c.grid, " of ", c.per_cell, ", maps ", static_cast<int>(c.maps),
                                ", pre_nms ", c.pre_nms, ", iou ", c.nms_iou, ", max_rois ", c.max_rois, ", threshold ",
                                c.score_threshold, ", min_box ", c.min_box),
                    [=] { return make(c, seed); }});
  }
  return rows;
}

}  // namespace sln_test
