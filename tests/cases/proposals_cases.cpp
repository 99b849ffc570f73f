#include <cmath>

#include "tests/cases/op_case.h"

namespace sln_test {
namespace {

enum class Logits { kAny, kFew, kEqual };  // few: many ties, zeros of both signs among them

struct Row {
  int grid, anchors_per_cell;
  int pre_nms;
  float nms_iou;
  int max_rois;
  float score_threshold = 0;
  float min_box = 4;  // canvas pixels
  Logits logits = Logits::kAny;
  float side = 256;  // canvas pixels
  int extra = 1;     // floats of a cell behind its channels
};

std::vector<Row> rows() {
  std::vector<Row> rows = {
      {1, 1, 1, 0.7f, 1},
      {1, 1, 1000, 0.7f, 100, 0, 0, Logits::kAny, 256, 0},
      {1, 15, 7, 1, 100},
      {3, 1, 9, 1, 1024},
      {8, 4, 150, 1, 300, 0, 4, Logits::kFew},  // pre_nms cuts through equal logits
      {8, 4, 256, 0.5f, 300, 0, 4, Logits::kFew},
      {8, 4, 255, 0.5f, 300, 0.5f, 0, Logits::kFew},
      {6, 3, 50, 0.7f, 20, 0, 0, Logits::kEqual},
      {6, 3, 108, 1, 1024, 0, 0, Logits::kEqual},
      {8, 15, 700, 0.7f, 100, 0.3f},
      {8, 15, 700, 0.7f, 100, 1},
      {8, 15, 700, 0.7f, 100, 0, 60},
      {8, 15, 700, 0.7f, 100, 0, 256},  // a side of all of the canvas
      {8, 15, 1, 0.7f, 100},
      {8, 15, 700, 0.7f, 100, 0, 0, Logits::kAny, 3, 0},  // most boxes are clipped to nothing
      {8, 15, 960, 1, 1024, 0, 0},
      {16, 15, 3840, 0.7f, 1024, 0, 1, Logits::kAny, 1024},
  };
  for (const auto& [grid, per_cell] : {std::pair{4, 15}, std::pair{7, 3}, std::pair{16, 15}})
    for (const float nms_iou : {0.0f, 0.3f, 0.7f, 1.0f})
      for (const int max_rois : {1, 17, 100})
        rows.push_back({grid, per_cell, grid == 16 ? 700 : 1000, nms_iou, max_rois});
  return rows;
}

std::string text(const Row& c) {
  return words("grid", c.grid, "anchors", c.anchors_per_cell, "pre_nms", c.pre_nms, "nms_iou", c.nms_iou, "max_rois",
               c.max_rois, "threshold", c.score_threshold, "min_box", c.min_box, "logits", static_cast<int>(c.logits),
               "side", c.side, "extra", c.extra);
}

float logit(const Row& c, Maker& maker) {
  if (c.logits == Logits::kEqual) return 0.5f;
  if (c.logits == Logits::kFew) return maker.random.below(5) == 0 ? -0.0f : static_cast<float>(maker.random.below(3));
  return maker.random.uniform(-6, 6);
}

// Five sizes of anchors and three shapes, as far as there are so many.
void fill_anchors(const Row& c, float* anchors) {
  const float step = c.side / static_cast<float>(c.grid);
  for (int i = 0; i < c.grid * c.grid * c.anchors_per_cell; ++i) {
    const int cell = i / c.anchors_per_cell, a = i % c.anchors_per_cell;
    const float ratio = std::sqrt(0.5f * static_cast<float>(1 << a / 5 % 3));
    const float size = c.side / static_cast<float>(2 << a % 5);
    const float anchor[4] = {step * (static_cast<float>(cell % c.grid) + 0.5f),
                             step * (static_cast<float>(cell / c.grid) + 0.5f), size / ratio, size * ratio};
    std::copy_n(anchor, 4, anchors + ptrdiff_t{4} * i);
  }
}

OpProblem make(const Row& c, bool nasty, uint32_t seed) {
  Maker maker(seed, {-0.5f, 0.5f, nasty ? 25 : 0});
  sln::ProposalsOp op;
  op.objectness_stride = c.anchors_per_cell + c.extra;
  op.deltas_stride = 4 * c.anchors_per_cell + c.extra;
  op.grid = c.grid;
  op.anchors_per_cell = c.anchors_per_cell;
  op.side = c.side;
  op.pre_nms = c.pre_nms;
  op.nms_iou = c.nms_iou;
  op.min_box = c.min_box;
  op.max_rois = c.max_rois;
  op.score_threshold = c.score_threshold;
  maker.buffers(op);
  fill_anchors(c, const_cast<float*>(op.anchors));
  auto* const logits = const_cast<float*>(op.objectness);
  for (int64_t cell = 0; cell < op.cells(); ++cell)
    for (int a = 0; a < c.anchors_per_cell; ++a)
      logits[cell * op.objectness_stride + a] =
          nasty && maker.random.below(8) == 0 ? maker.value() * 4 : logit(c, maker);
  for (int64_t i = 0; nasty && i < op.anchor_count(); i += 7) {
    const float values[] = {kNan, kInfinity, -kInfinity, -kNan};
    logits[i / c.anchors_per_cell * op.objectness_stride + i % c.anchors_per_cell] = values[i / 7 % 4];
  }
  return {op, maker.memory};
}

}  // namespace

template <>
OpCases cases_of<sln::ProposalsOp>() {
  const std::vector<Named<Row>> networks = {
      {"proposals 64x64x15 @1024", {64, 15, 6000, 0.65f, 100, 0, 4, Logits::kAny, 1024}},
      {"proposals 64x64x15 @512", {64, 15, 6000, 0.65f, 100, 0.05f, 2, Logits::kAny, 512}},
  };
  return {both(rows(), text, make), timed(networks, make)};
}

}  // namespace sln_test
