// The contract between ONNX graph, importer, blob and engine: every weight-bearing layer of a config, in the order in
// which data flows.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "engine/config.h"
#include "engine/tensor.h"

namespace sln {

// One convolution. Tensors in the blob: "<name>.weight" [out,in,kernel,kernel] and, if has_bias, "<name>.bias" [out].
struct Layer {
  std::string name;   // e.g. "encoder.stage2.block0.conv2", as in the PyTorch model
  std::string stage;  // pipeline stage it belongs to: encoder, glm, rpn, ilm, refine
  int in_channels = 0;
  int out_channels = 0;
  int kernel = 1;
  int stride = 1;
  int pad = 0;
  int dilation = 1;
  bool has_bias = true;   // after BN folding every layer has one, but for three slices of the fuse
  bool relu = false;      // ReLU after bias (and residual)
  bool residual = false;  // a map of the output's shape is added before the ReLU
  int out_side = 0;       // side of the output map (or RoI), pixels
  bool per_roi = false;   // runs once per RoI
  int64_t macs = 0;       // multiply-accumulates for one image (all max_rois RoIs if per_roi)
};

// The encoder's fuse convolution of the ONNX graph (one 1x1 over the concatenation C2..C5) appears as four layers
// encoder.fuse.c2 .. encoder.fuse.c5, the slices of its weight along the input channels: it commutes with the bilinear
// resize, so each runs at its stage's own size. encoder.fuse.c2 carries the bias, adds the enlarged sum of the others
// as its residual, and the ReLU.
std::vector<Layer> layer_table(const Config& config);

// Names and shapes of all tensors of the blob, in file order (by layer, weight before bias).
struct TensorSpec {
  std::string name;
  Dims dims;
};
std::vector<TensorSpec> blob_tensors(const Config& config);

}  // namespace sln
