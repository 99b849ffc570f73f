// From RPN maps to boxes: decode, clip, order, top pre_nms, minimum side, greedy NMS, first max_rois (network
// description, 5).
//
// Order: logit descending, then index ascending; -0 equals +0, NaN logits come last. A box with a NaN coordinate is
// dropped with the small ones, and one with a NaN score at the end, whatever the threshold.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/buffers.h"

namespace sln {

struct ProposalsOp {
  const float* objectness = nullptr;  // (grid*grid, objectness_stride) logits; channel a belongs to anchor a
  int objectness_stride = 0;          // floats
  const float* deltas = nullptr;      // (grid*grid, deltas_stride); channels 4a..4a+3 are dx, dy, dw, dh
  int deltas_stride = 0;              // floats
  const float* anchors = nullptr;     // (grid*grid*anchors_per_cell, 4) cx, cy, w, h, canvas pixels
  int grid = 0;                       // cells per axis
  int anchors_per_cell = 0;           // A
  float side = 0;                     // S, canvas pixels; boxes are clipped to [0, S]
  int pre_nms = 0;                    // candidates before NMS
  float nms_iou = 0;                  // suppressed where IoU > nms_iou
  float min_box = 0;                  // boxes with a side below it are dropped, canvas pixels
  int max_rois = 0;                   // N, at most
  float score_threshold = 0;          // boxes with sigmoid(logit) < it end here; 0 keeps all
  float* boxes = nullptr;             // (max_rois, 4) x0 y0 x1 y1, canvas pixels
  float* scores = nullptr;            // (max_rois) sigmoid(logit)
  int32_t* anchor_index = nullptr;    // (max_rois) flat anchor index i = (y*grid + x)*A + a
  int32_t* count = nullptr;           // (1) slots in use; later ones are left untouched

  int64_t cells() const { return int64_t{grid} * grid; }
  int64_t anchor_count() const { return cells() * anchors_per_cell; }
};

template <typename Visit>
void each_buffer(ProposalsOp& op, const Visit& visit) {
  visit(op.objectness, Rows{{1}, op.cells(), op.anchors_per_cell, op.objectness_stride});
  visit(op.deltas, Rows{{1}, op.cells(), int64_t{4} * op.anchors_per_cell, op.deltas_stride});
  visit(op.anchors, Rows{{1}, op.anchor_count(), 4, 4});
  visit(op.count, Rows{{1}});
  const Items slots = {op.max_rois, op.count};
  visit(op.boxes, Rows{slots, 1, 4, 4});
  visit(op.scores, Rows{slots});
  visit(op.anchor_index, Rows{slots});
}

namespace cpu {
// Allocates nothing.
void run(const ProposalsOp& op, void* scratch, ThreadPool& pool);
size_t scratch_bytes(const ProposalsOp& op, int threads);
}  // namespace cpu
}  // namespace sln
