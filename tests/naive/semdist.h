// Softmax and refinement: in float by the functions of kernels/math, and one pixel in double.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

#include "kernels/math/activation.h"
#include "kernels/math/semdist.h"
#include "kernels/semdist.h"

namespace sln_naive {

inline float exponential(float x) {
  return sln::exp(x);
}
inline double exponential(double x) {
  return std::exp(x);
}

// Largest logit, exp, sum in channel order. Real is float or double.
template <typename Real>
std::vector<Real> softmax(const std::vector<Real>& logits) {
  Real largest = logits[0];
  for (const Real z : logits) largest = largest > z ? largest : z;
  std::vector<Real> p;
  Real sum = 0;
  for (const Real z : logits) {
    p.push_back(exponential(z - largest));
    sum += p.back();
  }
  for (Real& value : p) value /= sum;
  return p;
}

inline void run(const sln::SoftmaxOp& op) {
  for (int64_t i = 0; i < int64_t{op.items.count()} * op.pixels_per_item; ++i) {
    const float* const logits = op.src + i * op.src_stride;
    const std::vector<float> p = softmax(std::vector<float>(logits, logits + op.channels));
    std::copy(p.begin(), p.end(), op.dst + i * op.dst_stride);
    std::fill_n(op.dst + i * op.dst_stride + op.channels, op.zero_pad, 0.0f);
    if (op.semdist == nullptr) continue;
    float sum = 0;
    for (int c = 1; c < op.channels; ++c) sum = sln::expected_semdist_step(sum, c - 1, p[static_cast<size_t>(c)]);
    op.semdist[i * op.semdist_stride] = sum;
  }
}

// The logits of pixel i of all items.
inline std::vector<float> refined_logits(const sln::RefineOp& op, int64_t i) {
  std::vector<float> logits;
  for (int64_t at = i * op.logits_stride; at < i * op.logits_stride + op.channels; ++at)
    logits.push_back(op.residual != nullptr ? op.ilm_logits[at] + op.residual[at] : op.ilm_logits[at]);
  return logits;
}

inline void run(const sln::RefineOp& op) {
  for (int64_t i = 0; i < int64_t{op.items.count()} * op.pixels_per_item; ++i) {
    const std::vector<float> logits = refined_logits(op, i);
    sln::LevelArgmax best = {logits[1], 0};
    for (int level = 1; level + 1 < op.channels; ++level)
      best = sln::level_argmax_step(best, logits[static_cast<size_t>(level) + 1], level);
    op.level[i] = static_cast<uint8_t>(best.level);
    const std::vector<float> p = softmax(logits);
    float* const planes =
        op.layers + i / op.pixels_per_item * op.channels * op.pixels_per_item + i % op.pixels_per_item;
    for (int c = 0; c < op.channels; ++c) planes[int64_t{c} * op.pixels_per_item] = p[static_cast<size_t>(c)];
    op.confidence[i] = sln::confidence(p[0]);
  }
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
