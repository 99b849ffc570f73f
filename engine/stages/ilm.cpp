#include "engine/stages/ilm.h"

namespace sln {

InstanceLayers ilm(Context& context, const ThreeConvLayers& layers, const RoiFeatures& rois) {
  const MapView& src = rois.map.view;
  const int slots = context.config.max_rois;
  InstanceLayers out;
  {
    Map map = conv(context, layers.conv1, src, nullptr, slots);
    map = conv(context, layers.conv2, map.view, nullptr, slots);
    out.logits = conv(context, layers.conv3, map.view, nullptr, slots);
  }
  out.probabilities = take_map(context, slots, src.h, context.config.layers + 1);
  out.probabilities.view.batch = src.batch;
  SoftmaxParams params;
  params.src = out.logits.view.data;
  params.pixels = out.logits.view.pixels();
  params.src_stride = out.logits.view.stride;
  params.channels = out.logits.view.channels;
  params.dst = out.probabilities.view.data;
  params.dst_stride = out.probabilities.view.stride;
  params.zero_pad = params.dst_stride - params.channels;
  params.semdist = src.data == nullptr ? nullptr : src.data + src.channels;
  params.semdist_stride = src.stride;
  context.backend.softmax(params);
  return out;
}

}  // namespace sln
