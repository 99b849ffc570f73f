// Softmax and the refined planes of one pixel, in double.
#pragma once

#include <algorithm>
#include <cmath>
#include <vector>

namespace sln_naive {

inline std::vector<double> softmax(const std::vector<double>& logits) {
  const double largest = *std::max_element(logits.begin(), logits.end());
  std::vector<double> out;
  double sum = 0;
  for (const double z : logits) {
    out.push_back(std::exp(z - largest));
    sum += out.back();
  }
  for (double& p : out) p /= sum;
  return out;
}

// E[C - L]: C is 1 and L the level on channels 1 and up, both are 0 on channel 0.
inline double expected_semdist(const std::vector<double>& p) {
  double c = 0, level = 0;
  for (size_t k = 1; k < p.size(); ++k) {
    c += p[k];
    level += static_cast<double>(k - 1) * p[k];
  }
  return c - level;
}

// Most probable level, the lowest on ties.
inline int level(const std::vector<double>& logits) {
  return static_cast<int>(std::max_element(logits.begin() + 1, logits.end()) - logits.begin()) - 1;
}

}  // namespace sln_naive
