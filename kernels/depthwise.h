// Depthwise convolution, NHWC float32: every channel has its own window and sees no other channel.
//
// Definition, that of the convolution (kernels/conv.h) with one channel: each output is one fmaf chain starting from +0
// over the window's (row r, column s) in this order, taps outside of the map reading 0; then + bias, activation. With
// FMA hardware the result is the same bit for bit on every instruction set and for every number of threads.
#pragma once

#include <cstddef>
#include <memory>

#include "kernels/conv.h"

namespace sln {

// What is fixed once the weights are known.
struct DepthwiseDesc {
  int channels = 0;  // ceil16(channels) are read and written; those that do not exist are written as 0
  int kernel = 3;    // side of the square window: 3 or 5
  int stride = 1;    // step of the window, pixels: 1 or 2
  int pad = 0;       // rows and columns of zeros before the map; what is needed after it follows from the output size
  Activation activation = Activation::kNone;
};

// Weights repacked for vectors over channels. Immutable, may be shared by threads.
class PackedDepthwise {
 public:
  virtual ~PackedDepthwise() = default;
  virtual size_t bytes() const = 0;  // memory held, for reports
};

struct DepthwiseParams {
  const float* src = nullptr;  // (in_h, in_w, src_stride); channels from `channels` to ceil16 must be finite
  int in_h = 0;                // pixels
  int in_w = 0;                // pixels
  int src_stride = 0;          // floats from pixel to pixel, >= ceil16(channels)
  float* dst = nullptr;        // (out_h, out_w, dst_stride), apart from src
  int out_h = 0;               // pixels
  int out_w = 0;               // pixels
  int dst_stride = 0;          // floats from pixel to pixel, >= ceil16(channels)
  const PackedDepthwise* weights = nullptr;
};

namespace cpu {

class ThreadPool;

// weights: (channels, 1, kernel, kernel); bias: channels floats or null (then none is added).
std::unique_ptr<PackedDepthwise> pack_depthwise(const DepthwiseDesc& desc, const float* weights, const float* bias);

// Allocates nothing.
void depthwise(const DepthwiseDesc& desc, const DepthwiseParams& params, ThreadPool& pool);

}  // namespace cpu
}  // namespace sln
