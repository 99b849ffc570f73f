#include "engine/stages/glm.h"

namespace sln {

GlobalLayers glm(Context& context, const ThreeConvLayers& layers, const Features& features) {
  const MapView& f = features.map.view;
  Map map = conv(context, layers.conv1, f);
  map = conv(context, layers.conv2, map.view);
  const Map logits = conv(context, layers.conv3, map.view);
  GlobalLayers global;
  global.view = f;
  global.view.channels = context.config.layers + 1;
  global.view.data = f.data == nullptr ? nullptr : f.data + f.channels;
  SoftmaxParams params;
  params.src = logits.view.data;
  params.pixels = logits.view.pixels();
  params.src_stride = logits.view.stride;
  params.channels = global.view.channels;
  params.dst = global.view.data;
  params.dst_stride = f.stride;
  params.zero_pad = f.stride - f.channels - global.view.channels;
  context.backend.softmax(params);
  return global;
}

MapView features_and_layers(const Features& features, const GlobalLayers& global) {
  MapView both = features.map.view;
  both.channels += global.view.channels;
  return both;
}

}  // namespace sln
