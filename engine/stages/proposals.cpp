#include "engine/stages/proposals.h"

namespace sln {

Boxes proposals(Context& context, const std::vector<float>& anchors, float score_threshold, const RpnMaps& maps) {
  const Config& config = context.config;
  const auto slots = static_cast<size_t>(config.max_rois);
  Boxes out;
  out.boxes = context.arena.take(slots * 4 * sizeof(float));
  out.scores = context.arena.take(slots * sizeof(float));
  out.anchor_index = context.arena.take(slots * sizeof(int32_t));
  out.count_slot = context.arena.take(sizeof(int32_t));
  const int total = static_cast<int>(anchors.size() / 4);
  const Buffer workspace = context.arena.take(context.backend.proposals_workspace_bytes(total, config.pre_nms));
  ProposalParams params;
  params.objectness = maps.objectness.view.data;
  params.objectness_stride = maps.objectness.view.stride;
  params.deltas = maps.deltas.view.data;
  params.deltas_stride = maps.deltas.view.stride;
  params.anchors = anchors.data();
  params.grid = config.grid();
  params.anchors_per_cell = config.anchors_per_cell();
  params.side = static_cast<float>(config.side);
  params.pre_nms = config.pre_nms;
  params.nms_iou = static_cast<float>(config.nms_iou);
  params.min_box = static_cast<float>(config.min_box * config.side);
  params.max_rois = config.max_rois;
  params.score_threshold = score_threshold;
  params.boxes = out.boxes.floats();
  params.scores = out.scores.floats();
  params.anchor_index = static_cast<int32_t*>(out.anchor_index.data());
  params.count = static_cast<int32_t*>(out.count_slot.data());
  params.workspace = workspace.data();
  context.backend.proposals(params);
  out.count = context.backend.read_count(params.count);
  return out;
}

}  // namespace sln
