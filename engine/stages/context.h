// What every stage is given besides its input: the config, the device's queue, the scratch memory, and a count of its
// work; and the maps that stages hand to each other.
#pragma once

#include <cstdint>

#include "engine/arena.h"
#include "engine/backend.h"
#include "engine/config.h"

namespace sln {

// Multiply-accumulates: those of the image, and those of each item in use.
struct Work {
  int64_t image = 0;
  int64_t per_item = 0;
};

struct Context {
  const Config& config;
  Backend& backend;
  Arena& arena;
  Work work = {};  // since the last reset

  // Takes the op's scratch for as long as it is enqueued. While the arena records, nothing runs.
  void run(const Op& op);
};

// A batch of maps (batch, h, w, stride), of which the first `channels` floats of a pixel count.
struct MapShape {
  Items batch;
  int h = 0, w = 0;  // pixels
  int channels = 0;
  int stride = 0;  // floats from pixel to pixel
  int pixels_per_item() const { return h * w; }
};

// What a stage reads of a map.
struct MapView : MapShape {
  const float* data = nullptr;
};

// What a stage writes of a map: it is given it by this name, since nothing writes through an input.
struct MutableView : MapShape {
  float* data = nullptr;
  operator MapView() const { return {*this, data}; }
  // The next `count` channels of the same pixels.
  MutableView behind(int count) const {
    MutableView view = *this;
    view.data += channels;
    view.channels = count;
    return view;
  }
};

// A map that owns its piece of the arena.
struct Map {
  Buffer memory;
  MapView view;
  MutableView out() { return {view, memory.floats()}; }
};

// With room for batch.room maps. stride 0: ceil16(channels).
Map take_map(Context& context, const Items& batch, int side, int channels, int stride = 0);

// One convolution of the layer table, packed for the device.
struct ConvLayer {
  ConvDesc desc;
  PackedWeights packed;
};

// One depthwise convolution of the layer table.
struct DepthwiseLayer {
  DepthwiseDesc desc;
  PackedWeights packed;
};

// Writes dst; residual may be null, and may be dst.
void conv_into(Context& context, const ConvLayer& layer, const MapView& src, const MapView* residual,
               const MutableView& dst);

// Takes the output map, with as much room as src has, and writes it.
Map conv(Context& context, const ConvLayer& layer, const MapView& src, const MapView* residual = nullptr);

// Takes the output map, of one item as src is, and writes it.
Map depthwise(Context& context, const DepthwiseLayer& layer, const MapView& src);

// Pools src into dst, both of one item.
void pool_into(Context& context, const PoolOp& how, const MapView& src, const MutableView& dst);

}  // namespace sln
