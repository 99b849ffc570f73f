// The contract between ONNX graph, importer, blob and engine: every weight-bearing layer of a config, in the order in
// which data flows.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "engine/config.h"
#include "engine/tensor.h"

namespace sln {

enum class LayerActivation : uint8_t { kNone, kRelu, kRelu6 };
const char* to_string(LayerActivation activation);  // "none", "ReLU", "ReLU6"

// One convolution. Tensors in the blob: "<name>.weight" [out,in/groups,kernel,kernel] and, if has_bias, "<name>.bias"
// [out].
struct Layer {
  std::string name;   // e.g. "encoder.stage2.block0.conv2", as in the PyTorch model
  std::string stage;  // pipeline stage it belongs to: encoder, glm, rpn, ilm, refine, mask
  int in_channels = 0;
  int out_channels = 0;
  int groups = 1;  // 1, or in_channels = out_channels for a depthwise convolution
  int kernel = 1;
  int stride = 1;
  int pad = 0;        // rows and columns of zeros before the map
  int pad_after = 0;  // and after it
  int dilation = 1;
  bool has_bias = true;  // after BN folding every layer has one, but for three slices of the fuse
  LayerActivation activation = LayerActivation::kNone;  // after bias and residual
  bool residual = false;                                // a map of the output's shape is added before the activation
  int out_side = 0;                                     // side of the output map (or RoI), pixels
  bool per_roi = false;                                 // runs once per RoI
  int64_t macs = 0;  // multiply-accumulates for one image (all max_rois RoIs if per_roi)

  bool depthwise() const { return groups > 1; }
  int64_t weights() const { return int64_t{out_channels} * (in_channels / groups) * kernel * kernel; }
  int64_t parameters() const { return weights() + (has_bias ? out_channels : 0); }
};

// The encoder's fuse convolution of the ONNX graph (one 1x1 over the concatenation C2..C5) appears as four layers
// encoder.fuse.c2 .. encoder.fuse.c5, the slices of its weight along the input channels: it commutes with the bilinear
// resize, so each runs at its stage's own size. encoder.fuse.c2 carries the bias, adds the enlarged sum of the others
// as its residual, and the ReLU.
std::vector<Layer> layer_table(const Config& config);

// The stages of EfficientNet-lite0, for a stem of 32 channels.
struct LiteStage {
  int expansion;  // channels of the depthwise convolution / channels of the block's input
  int channels;   // at the stage's output
  int stride;     // of the first block's depthwise convolution
  int kernel;     // of the depthwise convolutions
};
constexpr LiteStage kLiteStages[7] = {{1, 16, 1, 3},  {6, 24, 2, 3},  {6, 40, 2, 5}, {6, 80, 2, 3},
                                      {6, 112, 1, 5}, {6, 192, 2, 5}, {6, 320, 1, 3}};
constexpr int kLiteMaps[4] = {2, 3, 5, 7};  // the stages, counted from 1, whose outputs are C2..C5

// Names and shapes of all tensors of the blob, in file order (by layer, weight before bias).
struct TensorSpec {
  std::string name;
  Dims dims;
};
std::vector<TensorSpec> blob_tensors(const Config& config);

}  // namespace sln
