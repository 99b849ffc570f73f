#include "engine/stages/proposals.h"

namespace sln {

Boxes proposals(Context& context, const float* anchors, float score_threshold, const RpnMaps& maps, Found out) {
  const Config& config = context.config;
  ProposalsOp op;
  op.objectness = maps.objectness.view.data;
  op.objectness_stride = maps.objectness.view.stride;
  op.deltas = maps.deltas.view.data;
  op.deltas_stride = maps.deltas.view.stride;
  op.anchors = anchors;
  op.grid = config.grid();
  op.anchors_per_cell = config.anchors_per_cell();
  op.side = static_cast<float>(config.side);
  op.pre_nms = config.pre_nms;
  op.nms_iou = static_cast<float>(config.nms_iou);
  op.min_box = static_cast<float>(config.min_box * config.side);
  op.max_rois = config.max_rois;
  op.score_threshold = score_threshold;
  op.boxes = out.boxes;
  op.scores = out.scores;
  op.anchor_index = out.anchor_index;
  op.count = out.count;
  context.run(op);
  return {out.boxes, out.scores, out.anchor_index, {config.max_rois, out.count}};
}

}  // namespace sln
