// The convolution's definition, spelled out: what every fast one must equal bit for bit where it has fused
// multiply-adds. op.weights are canonical: OIHW, and out_channels floats or null.
#pragma once

#include <cmath>

#include "kernels/conv.h"

namespace sln_naive {

// Comparisons, not std::max: NaN stays NaN, -0 stays -0.
template <typename Real>
Real activate(sln::Activation activation, Real x) {
  if (activation != sln::Activation::kNone && x < 0) x = 0;
  if (activation == sln::Activation::kRelu6 && x > 6) x = 6;
  return x;
}

// The floats of an NHWC map before a pixel.
inline int64_t pixel_at(int item, int h, int y, int w, int x, int stride) {
  return ((int64_t{item} * h + y) * w + x) * stride;
}

// One output value.
inline float conv_at(const sln::ConvOp& p, int item, int y, int x, int channel) {
  const int kernel = p.desc.kernel, channels = p.desc.in_channels, taps = kernel * kernel;
  const float* const weights = p.weights.weights + int64_t{channel} * channels * taps;
  float sum = 0.0f;
  for (int r = 0; r < kernel; ++r) {
    for (int s = 0; s < kernel; ++s) {
      const int iy = y * p.desc.stride - p.desc.pad + r * p.desc.dilation;
      const int ix = x * p.desc.stride - p.desc.pad + s * p.desc.dilation;
      const bool inside = iy >= 0 && iy < p.in_h && ix >= 0 && ix < p.in_w;
      const float* const pixel = inside ? p.src + pixel_at(item, p.in_h, iy, p.in_w, ix, p.src_stride) : nullptr;
      const float* weight = weights + r * kernel + s;
      for (int c = 0; c < channels; ++c, weight += taps) sum = std::fmaf(inside ? pixel[c] : 0.0f, *weight, sum);
    }
  }
  if (p.weights.bias != nullptr) sum += p.weights.bias[channel];
  if (p.residual != nullptr) sum += p.residual[pixel_at(item, p.out_h, y, p.out_w, x, p.residual_stride) + channel];
  return activate(p.desc.activation, sum);
}

inline void run(const sln::ConvOp& p) {
  for (int item = 0; item < p.batch.count(); ++item)
    for (int y = 0; y < p.out_h; ++y)
      for (int x = 0; x < p.out_w; ++x) {
        float* const dst = p.dst + pixel_at(item, p.out_h, y, p.out_w, x, p.dst_stride);
        for (int o = 0; o < sln::ceil16(p.desc.out_channels); ++o)
          dst[o] = o < p.desc.out_channels ? conv_at(p, item, y, x, o) : 0.0f;
      }
}

}  // namespace sln_naive
