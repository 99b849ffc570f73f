// RoIAlign: in float by the functions of kernels/math, one fmaf chain over samples and corners, row by row; and in
// double by its definition.
#pragma once

#include <cmath>

#include "kernels/math/bilinear.h"
#include "kernels/roi_align.h"
#include "tests/naive/bilinear.h"

namespace sln_naive {

inline float roi_align_at(const sln::RoiAlignOp& p, int roi, int bin_y, int bin_x, int c) {
  const float* const box = p.boxes + int64_t{4} * roi;
  float sum = 0;
  for (int sample = 0; sample < 4; ++sample) {
    const auto y = sln::roi_taps(sln::roi_sample_position(box[1], box[3], p.scale, bin_y, p.side, sample / 2, 2), p.h);
    const auto x = sln::roi_taps(sln::roi_sample_position(box[0], box[2], p.scale, bin_x, p.side, sample % 2, 2), p.w);
    if (!y.inside || !x.inside) continue;
    const auto at = [&](int r, int q) { return p.src[(int64_t{r} * p.w + q) * p.src_stride + c]; };
    sum = std::fmaf(y.weight_lo * x.weight_lo, at(y.lo, x.lo), sum);
    sum = std::fmaf(y.weight_lo * x.weight_hi, at(y.lo, x.hi), sum);
    sum = std::fmaf(y.weight_hi * x.weight_lo, at(y.hi, x.lo), sum);
    sum = std::fmaf(y.weight_hi * x.weight_hi, at(y.hi, x.hi), sum);
  }
  return sum * 0.25f;
}

inline void run(const sln::RoiAlignOp& p) {
  for (int roi = 0; roi < p.items.count(); ++roi)
    for (int y = 0; y < p.side; ++y)
      for (int x = 0; x < p.side; ++x) {
        float* const dst = p.dst + ((int64_t{roi} * p.side + y) * p.side + x) * p.dst_stride;
        for (int c = 0; c < sln::ceil16(p.channels); ++c)
          dst[c] = c < p.channels ? roi_align_at(p, roi, y, x, c) : 0.0f;
      }
}

// One output in double: ONNX RoiAlign-16, half_pixel, average, sampling_ratio 2.
inline double exact_roi_align_at(const sln::RoiAlignOp& p, int roi, int bin_y, int bin_x, int c) {
  const float* const box = p.boxes + int64_t{4} * roi;
  const double scale = p.scale;
  const double x0 = box[0] * scale - 0.5, y0 = box[1] * scale - 0.5;
  const double bin_w = (double{box[2]} - box[0]) * scale / p.side, bin_h = (double{box[3]} - box[1]) * scale / p.side;
  double sum = 0;
  for (int sample = 0; sample < 4; ++sample) {
    const double y = y0 + (2 * bin_y + sample / 2 + 0.5) * bin_h / 2,
                 x = x0 + (2 * bin_x + sample % 2 + 0.5) * bin_w / 2;
    const bool inside = y >= -1 && y <= p.h && x >= -1 && x <= p.w;
    if (inside) sum += read_bilinear({p.src, p.h, p.w, p.src_stride}, y, x, c) / 4;
  }
  return sum;
}

}  // namespace sln_naive
