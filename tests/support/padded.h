// Channel padding of NHWC tensors, and comparison of padded results with unpadded references.
#pragma once

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

namespace sln_test {

inline int ceil16(int channels) {
  return (channels + 15) / 16 * 16;
}

// (pixels, channels) -> (pixels, stride), the padding NaN, so that using it shows. The last pixel ends at its last
// channel, so that a sanitizer sees a read behind it.
inline std::vector<float> with_stride(const std::vector<float>& dense, int channels, int stride) {
  const size_t pixels = dense.size() / static_cast<size_t>(channels);
  if (pixels == 0) return {};
  std::vector<float> out((pixels - 1) * stride + channels, std::numeric_limits<float>::quiet_NaN());
  for (size_t i = 0; i < pixels; ++i) std::copy_n(&dense[i * channels], channels, &out[i * stride]);
  return out;
}

struct Comparison {
  double worst = 0;             // largest |value - expected|; infinite where a value is NaN
  bool padding_is_zero = true;  // channels up to ceil16(channels) are +0
  bool rest_untouched = true;   // channels from ceil16(channels) on are still NaN
};

// values: (pixels, stride), expected: (pixels, channels)
inline Comparison compare(const std::vector<float>& values, int stride, const std::vector<double>& expected,
                          int channels) {
  Comparison result;
  for (size_t i = 0; i < expected.size() / static_cast<size_t>(channels); ++i) {
    for (int c = 0; c < stride; ++c) {
      const float value = values[i * stride + c];
      if (c < channels) {
        const double wanted = expected[i * channels + c];
        if (value == wanted) continue;  // infinities
        const double difference = std::fabs(value - wanted);
        result.worst = difference >= 0 ? std::max(result.worst, difference) : std::numeric_limits<double>::infinity();
      } else if (c < ceil16(channels)) {
        result.padding_is_zero = result.padding_is_zero && value == 0 && !std::signbit(value);
      } else {
        result.rest_untouched = result.rest_untouched && std::isnan(value);
      }
    }
  }
  return result;
}

}  // namespace sln_test
