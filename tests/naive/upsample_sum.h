// The sum of enlarged maps: in float by the functions of kernels/math, and in double by its definition.
#pragma once

#include "kernels/math/bilinear.h"
#include "kernels/upsample_sum.h"
#include "tests/naive/bilinear.h"

namespace sln_naive {

inline void run(const sln::UpsampleSumOp& p) {
  for (int y = 0; y < p.h; ++y) {
    for (int x = 0; x < p.w; ++x) {
      for (int c = 0; c < p.channels; ++c) {
        float sum = 0;
        for (int i = 0; i < p.count; ++i) {
          const auto& m = p.sources[i];
          const auto taps = [](int index, int size, int out_size) {
            return sln::clamped_taps(sln::half_pixel(index, static_cast<float>(size) / static_cast<float>(out_size)),
                                     size);
          };
          const sln::Taps ty = taps(y, m.h, p.h), tx = taps(x, m.w, p.w);
          const auto at = [&](int r, int q) { return m.data[(int64_t{r} * m.w + q) * m.stride + c]; };
          const float top = sln::lerp(at(ty.lo, tx.lo), at(ty.lo, tx.hi), tx.t);
          const float bottom = sln::lerp(at(ty.hi, tx.lo), at(ty.hi, tx.hi), tx.t);
          const float value = sln::lerp(top, bottom, ty.t);
          sum = i == 0 ? value : sum + value;
        }
        p.dst[(int64_t{y} * p.w + x) * p.dst_stride + c] = sum;
      }
    }
  }
}

// One output, in double: ONNX Resize, linear, half_pixel.
inline double upsample_sum_at(const sln::UpsampleSumOp& p, int y, int x, int c) {
  double sum = 0;
  for (int i = 0; i < p.count; ++i) {
    const auto& m = p.sources[i];
    sum += read_bilinear({m.data, m.h, m.w, m.stride}, (y + 0.5) * m.h / p.h - 0.5, (x + 0.5) * m.w / p.w - 0.5, c);
  }
  return sum;
}

}  // namespace sln_naive
