#include "engine/stages/mask.h"

namespace sln {

SemDist mask_head(Context& context, const MaskLayers& layers, const RoiFeatures& rois) {
  const Config& config = context.config;
  const int slots = config.max_rois;
  Map logits = conv(context, layers.convs[0], rois.map.view, nullptr, slots);
  for (size_t i = 1; i < layers.convs.size(); ++i) logits = conv(context, layers.convs[i], logits.view, nullptr, slots);
  SemDist out = take_semdist(context, logits.view.batch);
  MaskPlanesParams params;
  params.logits = logits.view.data;
  params.pixels = logits.view.pixels();
  params.stride = logits.view.stride;
  params.masks = config.layers;
  params.layers = out.layers.floats();
  params.pixels_per_roi = config.roi_side * config.roi_side;
  params.confidence = out.confidence.floats();
  params.level = static_cast<uint8_t*>(out.level.data());
  context.backend.mask_planes(params);
  return out;
}

}  // namespace sln
