// Depthwise convolution, NHWC float32: every channel has its own window and sees no other channel.
//
// Definition, that of the convolution (kernels/conv.h) with one channel: each output is one fmaf chain starting from +0
// over the window's (row r, column s) in this order, taps outside of the map reading 0; then + bias, activation. With
// FMA hardware the result is the same bit for bit on every instruction set and for every number of threads.
#pragma once

#include <cstddef>

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

struct DepthwiseOp {
  DepthwiseDesc desc;
  const float* src = nullptr;  // (in_h, in_w, src_stride); channels from `channels` to ceil16 must be finite
  int in_h = 0;                // pixels
  int in_w = 0;                // pixels
  int src_stride = 0;          // floats from pixel to pixel, >= ceil16(channels)
  float* dst = nullptr;        // (out_h, out_w, dst_stride), apart from src
  int out_h = 0;               // pixels
  int out_w = 0;               // pixels
  int dst_stride = 0;          // floats from pixel to pixel, >= ceil16(channels)
  PackedWeights weights;
};

template <typename Visit>
void each_buffer(DepthwiseOp& op, const Visit& visit) {
  const int channels = ceil16(op.desc.channels);
  visit(op.src, Rows{{1}, int64_t{op.in_h} * op.in_w, channels, op.src_stride});
  visit(op.dst, Rows{{1}, int64_t{op.out_h} * op.out_w, channels, op.dst_stride});
}

// What no device can pack or run: says what is wrong, or null (as kernels/conv.h).
inline const char* fault_of(const DepthwiseDesc& desc) {
  if (desc.channels <= 0) return "channels must be positive";
  if (desc.kernel != 3 && desc.kernel != 5) return "kernel must be 3 or 5";
  if (desc.stride != 1 && desc.stride != 2) return "stride must be 1 or 2";
  if (desc.pad < 0 || desc.pad >= desc.kernel) return "pad must be in 0..kernel-1";
  return nullptr;
}
inline const char* fault_of(const DepthwiseOp& op) {
  if (op.src == nullptr || op.dst == nullptr) return "src or dst is null";
  if (op.in_h <= 0 || op.in_w <= 0 || op.out_h <= 0 || op.out_w <= 0) return "map without pixels";
  if (op.src_stride < ceil16(op.desc.channels)) return "src_stride is below ceil16(channels)";
  if (op.dst_stride < ceil16(op.desc.channels)) return "dst_stride is below ceil16(channels)";
  return fault_of(op.desc);
}

// Multiply-accumulates.
inline int64_t macs_per_item(const DepthwiseOp& op) {
  return int64_t{op.desc.channels} * op.desc.kernel * op.desc.kernel * op.out_h * op.out_w;
}

namespace cpu {

// As for the convolution; weights: (channels, 1, kernel, kernel); bias: channels floats or null.
size_t packed_bytes(const DepthwiseDesc& desc);
PackedWeights pack(const DepthwiseDesc& desc, const float* weights, const float* bias, void* to);

// Allocates nothing.
void run(const DepthwiseOp& op, void* scratch, ThreadPool& pool);

}  // namespace cpu
}  // namespace sln
