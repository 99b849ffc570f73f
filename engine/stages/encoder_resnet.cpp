// The page of `encoder` "resnet".
#include <utility>

#include "engine/stages/encoder.h"

namespace sln {
namespace {

Map stem(Context& context, const ResNetLayers& layers, Canvas canvas) {
  const Map wide = conv(context, layers.stem, canvas.map.view);
  Map out = take_map(context, {1}, context.config.map_side(), wide.view.channels);
  PoolOp op;
  op.kind = PoolKind::kMax;
  op.kernel = 3;
  op.stride = 2;
  op.pad = 1;
  pool_into(context, op, wide.view, out.out());
  return out;
}

// 1x1, 3x3 (stride), 1x1 + shortcut, ReLU.
Map bottleneck(Context& context, const BottleneckLayers& layers, const Map& in) {
  Map middle = conv(context, layers.conv1, in.view);
  middle = conv(context, layers.conv2, middle.view);
  if (layers.shortcut.packed.weights == nullptr) return conv(context, layers.conv3, middle.view, &in.view);
  Map out = conv(context, layers.shortcut, in.view);
  conv_into(context, layers.conv3, middle.view, &out.view, out.out());
  return out;
}

Map stage(Context& context, const std::vector<BottleneckLayers>& blocks, const Map& in) {
  Map map = bottleneck(context, blocks[0], in);
  for (size_t b = 1; b < blocks.size(); ++b) map = bottleneck(context, blocks[b], map);
  return map;
}

}  // namespace

Features encoder_resnet(Context& context, const ResNetLayers& layers, const FuseLayers& fuse_layers, Canvas canvas) {
  const Map c1 = stem(context, layers, std::move(canvas));
  const Map c2 = stage(context, layers.stages[0], c1);
  const Map c3 = stage(context, layers.stages[1], c2);
  const Map f3 = conv(context, fuse_layers.c3, c3.view);
  const Map c4 = stage(context, layers.stages[2], c3);
  const Map f4 = conv(context, fuse_layers.c4, c4.view);
  const Map c5 = stage(context, layers.stages[3], c4);
  const Map f5 = conv(context, fuse_layers.c5, c5.view);
  return fuse(context, fuse_layers, c2, f3, f4, f5);
}

}  // namespace sln
