#include "engine/stages/rpn.h"

#include <cmath>

namespace sln {

RpnMaps rpn(Context& context, const RpnLayers& layers, const MapView& src) {
  const Config& config = context.config;
  Map pooled = take_map(context, {1}, config.grid(), src.channels);
  PoolOp op;
  op.kind = PoolKind::kAverage;
  op.kernel = op.stride = config.rpn_stride / 4;
  pool_into(context, op, src, pooled.out());
  const Map hidden = conv(context, layers.conv, pooled.view);
  RpnMaps maps;
  maps.objectness = conv(context, layers.objectness, hidden.view);
  maps.deltas = conv(context, layers.deltas, hidden.view);
  return maps;
}

std::vector<float> make_anchors(const Config& config) {
  std::vector<float> anchors;
  const int g = config.grid();
  const double t = config.rpn_stride;
  for (int y = 0; y < g; ++y)
    for (int x = 0; x < g; ++x)
      for (const double ratio : config.anchor_ratios)
        for (const double scale : config.anchor_scales) {
          const double q = scale * config.side;
          for (const double value : {t * x + t / 2, t * y + t / 2, q / std::sqrt(ratio), q * std::sqrt(ratio)})
            anchors.push_back(static_cast<float>(value));
        }
  return anchors;
}

}  // namespace sln
