// Bilinear reading by its definition, in double.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>

namespace sln_naive {

struct Map {
  const float* data;  // (h, w, stride)
  int h, w, stride;
  double at(int y, int x, int c) const { return data[(int64_t{y} * w + x) * stride + c]; }
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

}  // namespace sln_naive
