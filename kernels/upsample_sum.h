// The low-resolution fuse: a 1x1 convolution commutes with bilinear resizing, so the encoder's fuse convolution runs on
// each stage at the stage's own size and only its result is enlarged. This op writes the sum of up to three enlarged
// maps (dst is overwritten, not added to); the stage at dst's own size then takes it as its convolution's residual.
#pragma once

namespace sln {

struct UpsampleSumParams {
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

namespace cpu {
class ThreadPool;
// Bilinear, half_pixel, taps clamped at the border: lerp(a, b, t) = fmaf(t, b - a, a), x first, then y
// (math/bilinear.h).
void upsample_sum(const UpsampleSumParams& params, ThreadPool& pool);
}  // namespace cpu
}  // namespace sln
