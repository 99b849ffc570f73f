// The order of the proposals as integers.
#pragma once

#include <cstdint>
#include <cstring>

#include "kernels/hd.h"

namespace sln {

// Ascends where logits descend. -0 equals +0, and NaN comes after all others.
SLN_HD inline uint32_t descending_order(float logit) {
  if (logit != logit) return 0xffffffffu;
  const float canonical = logit + 0.0f;
  uint32_t bits = 0;
  std::memcpy(&bits, &canonical, sizeof bits);
  const bool negative = bits >> 31 != 0;
  return negative ? bits : ~(bits | 0x80000000u);
}

}  // namespace sln
