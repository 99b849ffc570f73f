// What every stage is given besides its input: the device, the scratch memory, and a count of its work.
#pragma once

#include <cstdint>
#include <memory>

#include "engine/arena.h"
#include "engine/backend.h"
#include "engine/config.h"
#include "engine/layer_table.h"

namespace sln {

struct Context {
  const Config& config;
  Backend& backend;
  Arena& arena;
  int64_t macs = 0;  // multiply-accumulates since the last reset
};

inline int ceil16(int channels) {
  return (channels + 15) / 16 * 16;
}

// A view of a batch of maps, (batch, h, w, stride), of which the first `channels` floats of a pixel count.
struct MapView {
  float* data = nullptr;
  int batch = 0;
  int h = 0, w = 0;  // pixels
  int channels = 0;
  int stride = 0;  // floats from pixel to pixel
  int64_t pixels() const { return static_cast<int64_t>(batch) * h * w; }
};

// A map that owns its piece of the arena.
struct Map {
  Buffer memory;
  MapView view;
};

// stride 0: ceil16(channels).
Map take_map(Context& context, int batch, int side, int channels, int stride = 0);

// One convolution of the layer table, packed for the device.
struct ConvLayer {
  ConvDesc desc;
  std::unique_ptr<PackedConv> packed;
};

// One depthwise convolution of the layer table.
struct DepthwiseLayer {
  DepthwiseDesc desc;
  std::unique_ptr<PackedDepthwise> packed;
};

// Writes dst; residual may be null, and may be dst.
void conv_into(Context& context, const ConvLayer& layer, const MapView& src, const MapView* residual,
               const MapView& dst);

// Takes the output map and writes it. capacity: batch to reserve (>= src.batch), 0 for src.batch; the arena's plan must
// not depend on how many RoIs a run has.
Map conv(Context& context, const ConvLayer& layer, const MapView& src, const MapView* residual = nullptr,
         int capacity = 0);

// Takes the output map, of one item as src is, and writes it.
Map depthwise(Context& context, const DepthwiseLayer& layer, const MapView& src);

// Parameters of a pooling from src to dst, both of one item.
PoolParams pooling(const MapView& src, const MapView& dst, int kernel, int stride, int pad);

}  // namespace sln
