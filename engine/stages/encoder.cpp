#include "engine/stages/encoder.h"

#include <utility>

namespace sln {
namespace {

Map stem(Context& context, const EncoderLayers& layers, Canvas canvas) {
  const Map wide = conv(context, layers.stem, canvas.map.view);
  Map out = take_map(context, 1, context.config.map_side(), wide.view.channels);
  context.backend.max_pool(pooling(wide.view, out.view, 3, 2, 1));
  return out;
}

// ResNet bottleneck: 1x1, 3x3 (stride), 1x1 + shortcut, ReLU.
Map bottleneck(Context& context, const BottleneckLayers& layers, const Map& in) {
  Map middle = conv(context, layers.conv1, in.view);
  middle = conv(context, layers.conv2, middle.view);
  if (layers.shortcut.packed == nullptr) return conv(context, layers.conv3, middle.view, &in.view);
  Map out = conv(context, layers.shortcut, in.view);
  conv_into(context, layers.conv3, middle.view, &out.view, out.view);
  return out;
}

Map stage(Context& context, const std::vector<BottleneckLayers>& blocks, const Map& in) {
  Map map = bottleneck(context, blocks[0], in);
  for (size_t b = 1; b < blocks.size(); ++b) map = bottleneck(context, blocks[b], map);
  return map;
}

UpsampleSumParams::Source source(const Map& map) {
  return {map.view.data, map.view.h, map.view.w, map.view.stride};
}

// The fuse convolution at each stage's own size: F = ReLU(W2 C2 + b + up(W3 C3) + up(W4 C4) + up(W5 C5)).
Features fuse(Context& context, const EncoderLayers& layers, const Map& c2, const Map& f3, const Map& f4,
              const Map& f5) {
  const Config& config = context.config;
  Features features;
  features.map = take_map(context, 1, config.map_side(), config.feature_channels,
                          ceil16(config.feature_channels + config.layers + 1));
  const MapView& dst = features.map.view;
  UpsampleSumParams sum;
  sum.sources[0] = source(f3);
  sum.sources[1] = source(f4);
  sum.sources[2] = source(f5);
  sum.count = 3;
  sum.channels = ceil16(config.feature_channels);  // the sources' pad channels are 0
  sum.dst = dst.data;
  sum.h = dst.h;
  sum.w = dst.w;
  sum.dst_stride = dst.stride;
  context.backend.upsample_sum(sum);
  conv_into(context, layers.fuse[0], c2.view, &dst, dst);
  return features;
}

}  // namespace

Features encoder(Context& context, const EncoderLayers& layers, Canvas canvas) {
  const Map c1 = stem(context, layers, std::move(canvas));
  const Map c2 = stage(context, layers.stages[0], c1);
  const Map c3 = stage(context, layers.stages[1], c2);
  const Map f3 = conv(context, layers.fuse[1], c3.view);
  const Map c4 = stage(context, layers.stages[2], c3);
  const Map f4 = conv(context, layers.fuse[2], c4.view);
  const Map c5 = stage(context, layers.stages[3], c4);
  const Map f5 = conv(context, layers.fuse[3], c5.view);
  return fuse(context, layers, c2, f3, f4, f5);
}

}  // namespace sln
