// Bilinear reading, enlarging and RoIAlign by their definitions, in double, on maps without channel padding.
#pragma once

#include <algorithm>
#include <cmath>
#include <vector>

namespace sln_naive {

struct Map {
  std::vector<float> data;  // (h, w, channels)
  int h, w, channels;
  double at(int y, int x, int c) const { return data[(static_cast<size_t>(y) * w + x) * channels + c]; }
};

// The map at (y, x) in pixel indices, clamped to the border: a sum over all pixels of the product of two tents.
inline double read_bilinear(const Map& map, double y, double x, int c) {
  y = std::min(std::max(y, 0.0), map.h - 1.0);
  x = std::min(std::max(x, 0.0), map.w - 1.0);
  double sum = 0;
  for (int r = static_cast<int>(y); r <= std::min(static_cast<int>(y) + 1, map.h - 1); ++r) {
    for (int q = static_cast<int>(x); q <= std::min(static_cast<int>(x) + 1, map.w - 1); ++q) {
      sum += (1 - std::fabs(y - r)) * (1 - std::fabs(x - q)) * map.at(r, q, c);
    }
  }
  return sum;
}

// ONNX Resize, linear, half_pixel: (h, w, channels)
inline std::vector<double> enlarge(const Map& map, int h, int w) {
  std::vector<double> out;
  for (int y = 0; y < h; ++y) {
    for (int x = 0; x < w; ++x) {
      const double sy = (y + 0.5) * map.h / h - 0.5, sx = (x + 0.5) * map.w / w - 0.5;
      for (int c = 0; c < map.channels; ++c) out.push_back(read_bilinear(map, sy, sx, c));
    }
  }
  return out;
}

// ONNX RoiAlign-16, half_pixel, average, sampling_ratio 2, of one box in canvas pixels: (side, side, channels)
inline std::vector<double> roi_align(const Map& map, const float* box, double scale, int side) {
  std::vector<double> out(static_cast<size_t>(side) * side * map.channels, 0.0);
  const double x0 = box[0] * scale - 0.5, y0 = box[1] * scale - 0.5;
  const double bin_w = (box[2] - box[0]) * scale / side, bin_h = (box[3] - box[1]) * scale / side;
  for (int sample_y = 0; sample_y < 2 * side; ++sample_y) {
    for (int sample_x = 0; sample_x < 2 * side; ++sample_x) {
      const double y = y0 + (sample_y + 0.5) * bin_h / 2, x = x0 + (sample_x + 0.5) * bin_w / 2;
      if (y < -1 || y > map.h || x < -1 || x > map.w) continue;
      for (int c = 0; c < map.channels; ++c) {
        out[(static_cast<size_t>(sample_y / 2) * side + sample_x / 2) * map.channels + c] +=
            read_bilinear(map, y, x, c) / 4;
      }
    }
  }
  return out;
}

}  // namespace sln_naive
