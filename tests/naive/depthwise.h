// The depthwise convolution's definition, spelled out, in float (one fmaf chain) and in double. op.weights are
// canonical: (channels, 1, kernel, kernel), and `channels` floats or null.
#pragma once

#include <cmath>

#include "kernels/depthwise.h"
#include "tests/naive/conv.h"

namespace sln_naive {

// One output; Real is float or double.
template <typename Real>
Real depthwise_at(const sln::DepthwiseOp& p, int y, int x, int channel) {
  const int kernel = p.desc.kernel;
  Real sum = 0;
  for (int r = 0; r < kernel; ++r) {
    for (int s = 0; s < kernel; ++s) {
      const int iy = y * p.desc.stride - p.desc.pad + r;
      const int ix = x * p.desc.stride - p.desc.pad + s;
      const bool inside = iy >= 0 && iy < p.in_h && ix >= 0 && ix < p.in_w;
      const Real value = inside ? p.src[pixel_at(0, 1, iy, p.in_w, ix, p.src_stride) + channel] : Real{0};
      sum = std::fma(value, static_cast<Real>(p.weights.weights[(channel * kernel + r) * kernel + s]), sum);
    }
  }
  if (p.weights.bias != nullptr) sum += static_cast<Real>(p.weights.bias[channel]);
  return activate(p.desc.activation, sum);
}

inline void run(const sln::DepthwiseOp& p) {
  for (int y = 0; y < p.out_h; ++y)
    for (int x = 0; x < p.out_w; ++x)
      for (int c = 0; c < sln::ceil16(p.desc.channels); ++c)
        p.dst[pixel_at(0, 1, y, p.out_w, x, p.dst_stride) + c] =
            c < p.desc.channels ? depthwise_at<float>(p, y, x, c) : 0.0f;
}

}  // namespace sln_naive
