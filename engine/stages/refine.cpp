#include "engine/stages/refine.h"

namespace sln {
namespace {

// residual: logits of the refinement, or null for the planes as the ILM has them.
SemDist planes_of(Context& context, const MapView& ilm_logits, const float* residual, Found found) {
  const Config& config = context.config;
  SemDist out = take_semdist(context, ilm_logits.batch, found);
  RefineOp op;
  op.ilm_logits = ilm_logits.data;
  op.residual = residual;
  op.items = out.items;
  op.pixels_per_item = config.roi_side * config.roi_side;
  op.logits_stride = ilm_logits.stride;
  op.channels = config.layers + 1;
  op.layers = out.layers;
  op.confidence = out.confidence;
  op.level = static_cast<uint8_t*>(out.level.data());
  context.run(op);
  return out;
}

}  // namespace

SemDist take_semdist(Context& context, const Items& items, Found found) {
  const auto side = static_cast<size_t>(context.config.roi_side);
  SemDist out;
  out.layers = found.layers;
  out.confidence = found.confidence;
  out.level = context.arena.take(static_cast<size_t>(items.room) * side * side);
  out.items = items;
  return out;
}

SemDist refine(Context& context, const ThreeConvLayers& layers, const RoiFeatures& rois, const InstanceLayers& instance,
               Found found) {
  MapView src = rois.map.view;
  src.channels += 1;  // M
  Map residual;
  {
    Map map = conv(context, layers.conv1, src);
    map = conv(context, layers.conv2, map.view);
    residual = conv(context, layers.conv3, map.view);
  }
  return planes_of(context, instance.logits.view, residual.view.data, found);
}

SemDist unrefined(Context& context, const InstanceLayers& instance, Found found) {
  return planes_of(context, instance.logits.view, nullptr, found);
}

}  // namespace sln
