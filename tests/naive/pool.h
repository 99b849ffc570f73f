// Pooling by its definition: in float, in the order that kernels/pool.h states, and in double.
#pragma once

#include <limits>

#include "kernels/pool.h"

namespace sln_naive {

// One output; Real is float or double. Of a NaN and a number the later one is the larger.
template <typename Real>
Real pool_at(const sln::PoolOp& p, int y, int x, int channel) {
  Real largest = -std::numeric_limits<Real>::infinity(), sum = 0;
  bool first = true;
  for (int r = y * p.stride - p.pad; r < y * p.stride - p.pad + p.kernel; ++r) {
    for (int q = x * p.stride - p.pad; q < x * p.stride - p.pad + p.kernel; ++q) {
      if (r < 0 || r >= p.in_h || q < 0 || q >= p.in_w) continue;
      const Real value = p.src[(int64_t{r} * p.in_w + q) * p.src_stride + channel];
      largest = largest > value ? largest : value;
      sum = first ? value : sum + value;
      first = false;
    }
  }
  return p.kind == sln::PoolKind::kMax ? largest : sum * (1 / static_cast<Real>(p.kernel * p.kernel));
}

inline void run(const sln::PoolOp& p) {
  for (int y = 0; y < p.out_h; ++y)
    for (int x = 0; x < p.out_w; ++x)
      for (int c = 0; c < sln::ceil16(p.channels); ++c)
        p.dst[(int64_t{y} * p.out_w + x) * p.dst_stride + c] = c < p.channels ? pool_at<float>(p, y, x, c) : 0.0f;
}

}  // namespace sln_naive
