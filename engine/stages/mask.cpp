#include "engine/stages/mask.h"

namespace sln {

SemDist mask_head(Context& context, const MaskLayers& layers, RoiFeatures rois, Found found) {
  const Config& config = context.config;
  Map logits = conv(context, layers.convs[0], rois.map.view);
  rois = RoiFeatures();
  for (size_t i = 1; i < layers.convs.size(); ++i) logits = conv(context, layers.convs[i], logits.view);
  SemDist out = take_semdist(context, logits.view.batch, found);
  MaskPlanesOp op;
  op.logits = logits.view.data;
  op.items = out.items;
  op.pixels_per_item = config.roi_side * config.roi_side;
  op.stride = logits.view.stride;
  op.masks = config.layers;
  op.layers = out.layers;
  op.confidence = out.confidence;
  op.level = static_cast<uint8_t*>(out.level.data());
  context.run(op);
  return out;
}

}  // namespace sln
