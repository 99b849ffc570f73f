// Antialiased bilinear resizing: straight from its definition, in double, and in float by the functions of
// kernels/math.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

#include "kernels/math/triangle.h"
#include "kernels/resize.h"

namespace sln_naive {

// Weights of the triangle filter for one output pixel: input pixel -> weight, normalised.
inline std::vector<double> triangle_weights(int size, int output_size, int index) {
  const double scale = static_cast<double>(size) / output_size;
  const double support = std::max(scale, 1.0);
  const double center = (index + 0.5) * scale;
  std::vector<double> weights(static_cast<size_t>(size), 0.0);
  double total = 0;
  for (int i = 0; i < size; ++i) {
    weights[i] = std::max(0.0, 1.0 - std::fabs(i + 0.5 - center) / support);
    total += weights[i];
  }
  for (double& w : weights) w /= total;
  return weights;
}

// The photo's grey levels on the canvas, (h, w, 3).
inline std::vector<double> resize(const sln::ResizeOp& p) {
  const int w = p.scaled_width, h = p.scaled_height;
  std::vector<double> rows(static_cast<size_t>(p.height) * w * 3, 0.0);
  for (int x = 0; x < w; ++x) {
    const std::vector<double> weights = triangle_weights(p.width, w, x);
    for (int y = 0; y < p.height; ++y)
      for (int i = 0; i < p.width; ++i)
        for (int c = 0; c < 3; ++c)
          rows[(static_cast<size_t>(y) * w + x) * 3 + c] +=
              weights[i] * p.pixels[y * p.row_bytes + ptrdiff_t{3} * i + c];
  }
  std::vector<double> out(static_cast<size_t>(h) * w * 3, 0.0);
  for (int y = 0; y < h; ++y) {
    const std::vector<double> weights = triangle_weights(p.height, h, y);
    for (int i = 0; i < p.height; ++i)
      for (int x = 0; x < w * 3; ++x)
        out[static_cast<size_t>(y) * w * 3 + x] += weights[i] * rows[static_cast<size_t>(i) * w * 3 + x];
  }
  return out;
}

// One grey level: an fmaf chain along x for each row, then one along y.
inline float resize_at(const sln::ResizeOp& p, int x, int y, int channel) {
  const auto x_filter = sln::triangle_filter(p.width, p.scaled_width);
  const auto y_filter = sln::triangle_filter(p.height, p.scaled_height);
  const sln::TriangleTaps columns = sln::triangle_taps(x_filter, x), rows = sln::triangle_taps(y_filter, y);
  float sum = 0;
  for (int r = rows.begin; r < rows.end; ++r) {
    float row_sum = 0;
    for (int q = columns.begin; q < columns.end; ++q) {
      const float grey = p.pixels[r * p.row_bytes + ptrdiff_t{3} * q + channel];
      row_sum = std::fmaf(sln::triangle_weight(x_filter, columns, q), grey, row_sum);
    }
    sum = std::fmaf(sln::triangle_weight(y_filter, rows, r), row_sum, sum);
  }
  return sum;
}

inline void run(const sln::ResizeOp& p) {
  for (int y = 0; y < p.side; ++y)
    for (int x = 0; x < p.side; ++x)
      for (int c = 0; c < 4; ++c) {
        const bool inside = x < p.scaled_width && y < p.scaled_height && c < 3;
        p.canvas[(int64_t{y} * p.side + x) * 4 + c] = inside ? (resize_at(p, x, y, c) - p.mean[c]) / p.std[c] : 0.0f;
      }
}

}  // namespace sln_naive
