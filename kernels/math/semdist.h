// The semantics-aware distance map of one pixel: M = C - L (Eq. 1), C the confidence of belonging to the object and L
// its visibility level, kept as two planes.
#pragma once

#include <cmath>

#include "kernels/hd.h"

namespace sln {

constexpr float kMaxConfidence = 1.0f - 1.0f / 1024;  // C never reaches 1, so that floor(M) never jumps a level

// The part of level `level` in E[C - L] = sum over l of (1 - l) * p_l; start from 0, levels ascending.
SLN_HD inline float expected_semdist_step(float sum, int level, float probability) {
  return std::fmaf(static_cast<float>(1 - level), probability, sum);
}

// C = clamp(1 - p_0, 0, kMaxConfidence), p_0 = probability of not belonging to the object. NaN stays NaN.
SLN_HD inline float confidence(float not_object) {
  const float c = 1.0f - not_object;
  const float above = c < 0.0f ? 0.0f : c;
  return above > kMaxConfidence ? kMaxConfidence : above;
}

// Running argmax over the levels' logits. Start from {logit of level 0, 0}, levels ascending; the lowest level wins
// ties.
struct LevelArgmax {
  float logit;
  int level;
};

SLN_HD inline LevelArgmax level_argmax_step(const LevelArgmax& best, float logit, int level) {
  return logit > best.logit ? LevelArgmax{logit, level} : best;
}

}  // namespace sln
