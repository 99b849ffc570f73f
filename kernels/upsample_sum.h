// The low-resolution fuse: a 1x1 convolution commutes with bilinear resizing, so the encoder's fuse convolution runs on
// each stage at the stage's own size and only its result is enlarged. This op writes the sum of up to three enlarged
// maps (dst is overwritten, not added to); the stage at dst's own size then takes it as its convolution's residual.
//
// Bilinear, half_pixel, taps clamped at the border: lerp(a, b, t) = fmaf(t, b - a, a), x first, then y
// (math/bilinear.h).
#pragma once

#include <cstddef>

#include "kernels/buffers.h"

namespace sln {

struct UpsampleSumOp {
  struct Source {
    const float* data = nullptr;  // (h, w, stride)
    int h = 0;                    // pixels; the destination's h is a multiple of it
    int w = 0;                    // pixels
    int stride = 0;               // floats from pixel to pixel
  };
  Source sources[3];
  int count = 0;         // sources in use, 1..3, added in this order
  int channels = 0;      // multiple of 16
  float* dst = nullptr;  // (h, w, dst_stride)
  int h = 0;             // pixels
  int w = 0;             // pixels
  int dst_stride = 0;    // floats
};

template <typename Visit>
void each_buffer(UpsampleSumOp& op, const Visit& visit) {
  for (int i = 0; i < op.count; ++i) {
    UpsampleSumOp::Source& source = op.sources[i];
    visit(source.data, Rows{{1}, int64_t{source.h} * source.w, op.channels, source.stride});
  }
  visit(op.dst, Rows{{1}, int64_t{op.h} * op.w, op.channels, op.dst_stride});
}

namespace cpu {
void run(const UpsampleSumOp& op, void* scratch, ThreadPool& pool);
}  // namespace cpu
}  // namespace sln
