// The depthwise convolution's definition, spelled out, in float (one fmaf chain) and in double.
#pragma once

#include <cmath>

#include "kernels/depthwise.h"

namespace sln_naive {

// The value of one output before bias and activation; Real is float (fmaf) or double.
template <typename Real>
Real depthwise_sum(const sln::DepthwiseOp& p, const float* weights, int y, int x, int channel) {
  Real sum = 0;
  for (int r = 0; r < p.desc.kernel; ++r) {
    for (int s = 0; s < p.desc.kernel; ++s) {
      const int iy = y * p.desc.stride - p.desc.pad + r;
      const int ix = x * p.desc.stride - p.desc.pad + s;
      const bool inside = iy >= 0 && iy < p.in_h && ix >= 0 && ix < p.in_w;
      const size_t pixel = inside ? static_cast<size_t>(iy) * p.in_w + ix : 0;
      const Real value = inside ? p.src[pixel * p.src_stride + channel] : Real{0};
      sum = std::fma(value, static_cast<Real>(weights[(channel * p.desc.kernel + r) * p.desc.kernel + s]), sum);
    }
  }
  return sum;
}

// One output; bias may be null.
template <typename Real>
Real depthwise_at(const sln::DepthwiseOp& p, const float* weights, const float* bias, int y, int x, int channel) {
  Real value = depthwise_sum<Real>(p, weights, y, x, channel);
  if (bias != nullptr) value += static_cast<Real>(bias[channel]);
  // Comparisons, not std::max: NaN stays NaN, -0 stays -0.
  if (p.desc.activation != sln::Activation::kNone && value < 0) value = 0;
  if (p.desc.activation == sln::Activation::kRelu6 && value > 6) value = 6;
  return value;
}

}  // namespace sln_naive
