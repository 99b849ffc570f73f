// Softmaxes that every implementation is tested with, and one in the scalar maths that they share.
#pragma once

#include <algorithm>
#include <cstddef>
#include <ostream>
#include <vector>

#include "kernels/math/activation.h"

namespace sln_test {

struct SoftmaxCase {
  int pixels;
  int channels;
  int src_stride, dst_stride;  // floats
  int zero_pad;
  int semdist_stride;  // floats; 0: none is asked for
};

inline std::ostream& operator<<(std::ostream& os, const SoftmaxCase& c) {
  return os << c.pixels << " pixels, " << c.channels << " channels, strides " << c.src_stride << " and " << c.dst_stride
            << ", zeros " << c.zero_pad << ", semdist " << c.semdist_stride;
}

inline std::vector<SoftmaxCase> softmax_cases() {
  std::vector<SoftmaxCase> cases;
  for (const int pixels : {0, 1, 3, 15, 16, 17, 100, 1000}) {
    cases.push_back({pixels, 5, 16, 16, 11, 0});
    cases.push_back({pixels, 5, 5, 7, 0, 1});
  }
  for (const int channels : {1, 2, 9, 16}) {
    cases.push_back({77, channels, 16, 272, 16 - channels, 3});
    cases.push_back({77, channels, channels, channels + 2, 1, 0});
  }
  return cases;
}

// Softmax of one pixel by the scalar maths: largest logit, exp, sum in channel order.
inline std::vector<float> scalar_softmax(const float* logits, int channels) {
  float largest = logits[0];
  for (int c = 1; c < channels; ++c) largest = std::max(largest, logits[c]);
  std::vector<float> p;
  float sum = 0;
  for (int c = 0; c < channels; ++c) {
    p.push_back(sln::exp(logits[c] - largest));
    sum += p.back();
  }
  for (float& value : p) value /= sum;
  return p;
}

}  // namespace sln_test
