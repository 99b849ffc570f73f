#include "engine/stages/glm.h"

namespace sln {

GlobalLayers glm(Context& context, const ThreeConvLayers& layers, const MapView& features, const MutableView& out) {
  Map map = conv(context, layers.conv1, features);
  map = conv(context, layers.conv2, map.view);
  const Map logits = conv(context, layers.conv3, map.view);
  SoftmaxOp op;
  op.src = logits.view.data;
  op.items = features.batch;
  op.pixels_per_item = features.pixels_per_item();
  op.src_stride = logits.view.stride;
  op.channels = out.channels;
  op.dst = out.data;
  op.dst_stride = out.stride;
  op.zero_pad = out.stride - features.channels - out.channels;
  context.run(op);
  return {out};
}

MapView features_and_layers(const Features& features, const GlobalLayers& global) {
  MapView both = features.map.view;
  both.channels += global.view.channels;
  return both;
}

}  // namespace sln
