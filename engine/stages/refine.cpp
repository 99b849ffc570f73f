#include "engine/stages/refine.h"

namespace sln {
namespace {

// residual: logits of the refinement, or null for the planes as the ILM has them.
SemDist planes_of(Context& context, const MapView& ilm_logits, const float* residual) {
  const Config& config = context.config;
  SemDist out = take_semdist(context, ilm_logits.batch);
  RefineParams params;
  params.ilm_logits = ilm_logits.data;
  params.residual = residual;
  params.pixels = ilm_logits.pixels();
  params.logits_stride = ilm_logits.stride;
  params.channels = config.layers + 1;
  params.layers = out.layers.floats();
  params.pixels_per_roi = config.roi_side * config.roi_side;
  params.confidence = out.confidence.floats();
  params.level = static_cast<uint8_t*>(out.level.data());
  context.backend.refine_planes(params);
  return out;
}

}  // namespace

SemDist take_semdist(Context& context, int count) {
  const Config& config = context.config;
  const auto side = static_cast<size_t>(config.roi_side);
  const size_t cells = static_cast<size_t>(config.max_rois) * side * side;
  SemDist out;
  out.layers = context.arena.take(cells * static_cast<size_t>(config.layers + 1) * sizeof(float));
  out.confidence = context.arena.take(cells * sizeof(float));
  out.level = context.arena.take(cells);
  out.count = count;
  return out;
}

SemDist refine(Context& context, const ThreeConvLayers& layers, const RoiFeatures& rois,
               const InstanceLayers& instance) {
  const int slots = context.config.max_rois;
  MapView src = rois.map.view;
  src.channels += 1;  // M
  Map residual;
  {
    Map map = conv(context, layers.conv1, src, nullptr, slots);
    map = conv(context, layers.conv2, map.view, nullptr, slots);
    residual = conv(context, layers.conv3, map.view, nullptr, slots);
  }
  return planes_of(context, instance.logits.view, residual.view.data);
}

SemDist unrefined(Context& context, const InstanceLayers& instance) {
  return planes_of(context, instance.logits.view, nullptr);
}

}  // namespace sln
