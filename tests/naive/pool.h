// Pooling by its definition, in double, on maps without channel padding.
#pragma once

#include <algorithm>
#include <limits>
#include <vector>

namespace sln_naive {

struct PoolShape {
  int h, w, channels, kernel, stride, pad, out_h, out_w;
};

// (h, w, channels) -> (out_h, out_w, channels)
inline std::vector<double> pool(const std::vector<float>& map, const PoolShape& s, bool max) {
  std::vector<double> out;
  for (int y = 0; y < s.out_h; ++y) {
    for (int x = 0; x < s.out_w; ++x) {
      for (int c = 0; c < s.channels; ++c) {
        double largest = -std::numeric_limits<double>::infinity(), sum = 0;
        for (int r = y * s.stride - s.pad; r < y * s.stride - s.pad + s.kernel; ++r) {
          for (int q = x * s.stride - s.pad; q < x * s.stride - s.pad + s.kernel; ++q) {
            if (r < 0 || r >= s.h || q < 0 || q >= s.w) continue;
            const double value = map[(static_cast<size_t>(r) * s.w + q) * s.channels + c];
            largest = std::max(largest, value);
            sum += value;
          }
        }
        out.push_back(max ? largest : sum / (s.kernel * s.kernel));
      }
    }
  }
  return out;
}

}  // namespace sln_naive
