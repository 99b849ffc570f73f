// The weights of each stage, packed: one field per layer, so that a stage's text names what it uses.
#pragma once

#include <vector>

#include "engine/blob.h"
#include "engine/stages/context.h"

namespace sln {

struct BottleneckLayers {
  ConvLayer conv1, conv2, conv3;
  ConvLayer shortcut;  // packed is null where the block keeps size and channels
};

struct EncoderLayers {
  ConvLayer stem;
  std::vector<BottleneckLayers> stages[4];
  ConvLayer fuse[4];  // slices of the fuse convolution for C2..C5
};

// conv-bn-relu, conv-bn-relu, conv: the block of GLM, ILM and refinement.
struct ThreeConvLayers {
  ConvLayer conv1, conv2, conv3;
};

struct RpnLayers {
  ConvLayer conv, objectness, deltas;
};

struct Layers {
  EncoderLayers encoder;
  ThreeConvLayers glm;
  RpnLayers rpn;
  ThreeConvLayers ilm;
  ThreeConvLayers refine;
  int64_t packed_bytes = 0;
};

// Packs every layer of the blob's layer table. Afterwards the blob is no longer needed.
Layers pack_layers(const Blob& blob, Backend& backend);

}  // namespace sln
