#include "engine/stages/encoder.h"

#include <utility>

#include "engine/error.h"

namespace sln {
namespace {

UpsampleSumOp::Source source(const Map& map) {
  return {map.view.data, map.view.h, map.view.w, map.view.stride};
}

}  // namespace

Features fuse(Context& context, const FuseLayers& layers, const Map& c2, const Map& f3, const Map& f4, const Map& f5) {
  const Config& config = context.config;
  Features features;
  features.map = take_map(context, {1}, config.map_side(), config.feature_channels, ceil16(config.context_channels()));
  const MutableView dst = features.map.out();
  UpsampleSumOp sum;
  sum.sources[0] = source(f3);
  sum.sources[1] = source(f4);
  sum.sources[2] = source(f5);
  sum.count = 3;
  sum.channels = ceil16(config.feature_channels);  // the sources' pad channels are 0
  sum.dst = dst.data;
  sum.h = dst.h;
  sum.w = dst.w;
  sum.dst_stride = dst.stride;
  context.run(sum);
  conv_into(context, layers.c2, c2.view, &features.map.view, dst);
  return features;
}

Features encoder(Context& context, const EncoderLayers& layers, Canvas canvas) {
  switch (context.config.encoder->kind) {
    case EncoderKind::kResNet:
      return encoder_resnet(context, layers.resnet, layers.fuse, std::move(canvas));
    case EncoderKind::kLite:
      return encoder_lite(context, layers.lite, layers.fuse, std::move(canvas));
  }
  fail(ErrorKind::kInternal, "no encoder");
}

}  // namespace sln
