// Which of two detections is in front, from their level masks (the paper's Eq. 4, object-level).
#pragma once

#include <vector>

#include "evaluation/mask.h"

namespace sln::evaluation {

// a, b: masks by level, of one size. Where both are, R = level of b - level of a. Regions are the 4-connected
// components of R > 0 and, apart, of R < 0. Returns the sign of the largest region: 1 a in front, -1 b in front, 0
// where there is none; of equally large ones that one decides whose first pixel in row-major order comes first.
int level_order(const std::vector<Mask>& a, const std::vector<Mask>& b);

}  // namespace sln::evaluation
