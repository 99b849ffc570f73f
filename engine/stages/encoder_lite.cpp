// The page of `encoder` "efficientnet-lite0".
#include <utility>

#include "engine/stages/encoder.h"

namespace sln {
namespace {

Map stem(Context& context, const LiteLayers& layers, Canvas canvas) {
  return conv(context, layers.stem, canvas.map.view);
}

// 1x1 expand (absent at expansion 1), depthwise (stride), 1x1 project; + the input where size and channels stay.
Map mobile_bottleneck(Context& context, const MobileBottleneckLayers& layers, const Map& in) {
  Map wide;
  if (layers.expand.packed.weights != nullptr) wide = conv(context, layers.expand, in.view);
  const Map filtered =
      depthwise(context, layers.depthwise, layers.expand.packed.weights != nullptr ? wide.view : in.view);
  wide = Map();  // its memory serves the projection
  return conv(context, layers.project, filtered.view, layers.residual ? &in.view : nullptr);
}

Map stage(Context& context, const std::vector<MobileBottleneckLayers>& blocks, const Map& in) {
  Map map = mobile_bottleneck(context, blocks[0], in);
  for (size_t b = 1; b < blocks.size(); ++b) map = mobile_bottleneck(context, blocks[b], map);
  return map;
}

}  // namespace

Features encoder_lite(Context& context, const LiteLayers& layers, const FuseLayers& fuse_layers, Canvas canvas) {
  const auto& stages = layers.stages;
  Map x = stem(context, layers, std::move(canvas));
  x = stage(context, stages[0], x);
  const Map c2 = stage(context, stages[1], x);
  x = Map();
  const Map c3 = stage(context, stages[2], c2);
  const Map f3 = conv(context, fuse_layers.c3, c3.view);
  x = stage(context, stages[3], c3);
  const Map c4 = stage(context, stages[4], x);
  const Map f4 = conv(context, fuse_layers.c4, c4.view);
  x = stage(context, stages[5], c4);
  const Map c5 = stage(context, stages[6], x);
  const Map f5 = conv(context, fuse_layers.c5, c5.view);
  return fuse(context, fuse_layers, c2, f3, f4, f5);
}

}  // namespace sln
