// The weights of each stage, packed: one field per layer, so that a stage's text names what it uses.
#pragma once

#include <memory>
#include <vector>

#include "engine/blob.h"
#include "engine/stages/context.h"

namespace sln {

struct BottleneckLayers {
  ConvLayer conv1, conv2, conv3;
  ConvLayer shortcut;  // packed.weights is null where the block keeps size and channels
};

struct ResNetLayers {
  ConvLayer stem;
  std::vector<BottleneckLayers> stages[4];
};

struct MobileBottleneckLayers {
  ConvLayer expand;  // packed.weights is null where the block does not widen
  DepthwiseLayer depthwise;
  ConvLayer project;
  bool residual = false;  // the block's input is added to its output
};

struct LiteLayers {
  ConvLayer stem;
  std::vector<MobileBottleneckLayers> stages[7];
};

// Slices of the fuse convolution for C2..C5.
struct FuseLayers {
  ConvLayer c2, c3, c4, c5;
};

struct EncoderLayers {
  ResNetLayers resnet;  // empty where the config names the other
  LiteLayers lite;      // likewise
  FuseLayers fuse;
};

// conv-bn-relu, conv-bn-relu, conv: the block of GLM, ILM and refinement.
struct ThreeConvLayers {
  ConvLayer conv1, conv2, conv3;
};

// Six times conv, with BN and ReLU after all but the last: the head of the networks that predict masks.
struct MaskLayers {
  std::vector<ConvLayer> convs;
};

struct RpnLayers {
  ConvLayer conv, objectness, deltas;
};

// What the network does not have stays empty.
struct Layers {
  EncoderLayers encoder;
  ThreeConvLayers glm;
  RpnLayers rpn;
  ThreeConvLayers ilm;
  ThreeConvLayers refine;
  MaskLayers mask;
  const float* anchors = nullptr;  // make_anchors(config), on the device
};

// Every layer of the blob's layer table, read and packed one after the other into one block of the device's memory.
struct PackedLayers {
  std::shared_ptr<Device> device;
  DeviceMemory memory;
  Layers layers;
};
PackedLayers pack_layers(const Blob& blob, std::shared_ptr<Device> device);

}  // namespace sln
