// Antialiased bilinear resizing, straight from its definition, in double.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

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

// pixels (height, width, 3) -> (h, w, 3) grey levels.
inline std::vector<double> resize(const std::vector<uint8_t>& pixels, int width, int height, int w, int h) {
  std::vector<double> rows(static_cast<size_t>(height) * w * 3, 0.0);
  for (int x = 0; x < w; ++x) {
    const std::vector<double> weights = triangle_weights(width, w, x);
    for (int y = 0; y < height; ++y) {
      for (int i = 0; i < width; ++i) {
        for (int c = 0; c < 3; ++c) {
          rows[(static_cast<size_t>(y) * w + x) * 3 + c] +=
              weights[i] * pixels[(static_cast<size_t>(y) * width + i) * 3 + c];
        }
      }
    }
  }
  std::vector<double> out(static_cast<size_t>(h) * w * 3, 0.0);
  for (int y = 0; y < h; ++y) {
    const std::vector<double> weights = triangle_weights(height, h, y);
    for (int i = 0; i < height; ++i) {
      for (int x = 0; x < w * 3; ++x) {
        out[static_cast<size_t>(y) * w * 3 + x] += weights[i] * rows[static_cast<size_t>(i) * w * 3 + x];
      }
    }
  }
  return out;
}

}  // namespace sln_naive
