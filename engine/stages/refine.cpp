#include "engine/stages/refine.h"

namespace sln {

SemDist refine(Context& context, const ThreeConvLayers& layers, const RoiFeatures& rois,
               const InstanceLayers& instance) {
  const Config& config = context.config;
  const int slots = config.max_rois;
  MapView src = rois.map.view;
  src.channels += 1;  // M
  Map residual;
  {
    Map map = conv(context, layers.conv1, src, nullptr, slots);
    map = conv(context, layers.conv2, map.view, nullptr, slots);
    residual = conv(context, layers.conv3, map.view, nullptr, slots);
  }
  const auto cells =
      static_cast<size_t>(slots) * static_cast<size_t>(config.roi_side) * static_cast<size_t>(config.roi_side);
  SemDist out;
  out.layers = context.arena.take(cells * static_cast<size_t>(config.layers + 1) * sizeof(float));
  out.confidence = context.arena.take(cells * sizeof(float));
  out.level = context.arena.take(cells);
  out.count = src.batch;
  RefineParams params;
  params.ilm_logits = instance.logits.view.data;
  params.residual = residual.view.data;
  params.pixels = residual.view.pixels();
  params.logits_stride = residual.view.stride;
  params.channels = config.layers + 1;
  params.layers = out.layers.floats();
  params.pixels_per_roi = config.roi_side * config.roi_side;
  params.confidence = out.confidence.floats();
  params.level = static_cast<uint8_t*>(out.level.data());
  context.backend.refine_planes(params);
  return out;
}

}  // namespace sln
