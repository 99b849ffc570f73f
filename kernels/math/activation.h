// exp, sigmoid and the activations, the same bits on every machine with FMA.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>

#include "kernels/hd.h"

namespace sln {

// The constants of exp(), named so that the vector code (kernels/cpu/vector_math-inl.h) uses the same ones.
// x = n ln 2 + r with |r| <= ln 2 / 2; exp(r) = 1 + r + r^2 q(r), q a minimax polynomial of degree 4 (relative error
// 3.1e-9 before rounding).
namespace exp_detail {
constexpr float kLowest = -104.0f;  // exp rounds to 0 from here down
constexpr float kHighest = 89.0f;   // exp overflows to +inf from here up
constexpr float kLog2E = 1.44269504f;
constexpr float kLn2High = 0.693359375f;  // 10 significant bits: n * kLn2High is exact
constexpr float kLn2Low = -2.12194440e-4f;
constexpr float kRoundToInt = 12582912.0f;  // 1.5 * 2^23: adding it rounds to the nearest integer, ties to even
constexpr float kQ4 = 1.38143157e-3f;
constexpr float kQ3 = 8.36885068e-3f;
constexpr float kQ2 = 4.16683964e-2f;
constexpr float kQ1 = 1.66665196e-1f;
constexpr float kQ0 = 4.99999940e-1f;
}  // namespace exp_detail

// Returns 2^n for -126 <= n <= 127.
SLN_HD inline float exp2_int(int32_t n) {
  const uint32_t bits = static_cast<uint32_t>(n + 127) << 23;
  float value = 0.0f;
  std::memcpy(&value, &bits, sizeof value);
  return value;
}

// e^x within 1.01 ulp, subnormal results included; exp(-inf) = 0, exp(+inf) = +inf, NaN gives NaN.
SLN_HD inline float exp(float x) {
  namespace c = exp_detail;
  if (x != x) return x;
  const float below = x > c::kHighest ? c::kHighest : x;
  const float clamped = below < c::kLowest ? c::kLowest : below;
  const float n = std::fmaf(clamped, c::kLog2E, c::kRoundToInt) - c::kRoundToInt;
  const float r = std::fmaf(n, -c::kLn2Low, std::fmaf(n, -c::kLn2High, clamped));
  float q = std::fmaf(c::kQ4, r, c::kQ3);
  q = std::fmaf(q, r, c::kQ2);
  q = std::fmaf(q, r, c::kQ1);
  q = std::fmaf(q, r, c::kQ0);
  const float p = std::fmaf(r * r, q, r) + 1.0f;
  // Two factors, since 2^n itself may not be a normal number (n is -150..128). The first product is exact.
  const int32_t exponent = static_cast<int32_t>(n);
  const int32_t half = exponent >> 1;
  return p * exp2_int(half) * exp2_int(exponent - half);
}

// 1 / (1 + e^-x). NaN gives NaN.
SLN_HD inline float sigmoid(float x) {
  return 1.0f / (1.0f + exp(-x));
}

// max(x, 0) as "0 where x < 0, else x", the convolution's rule: NaN stays NaN and -0 stays -0.
SLN_HD inline float relu(float x) {
  return x < 0.0f ? 0.0f : x;
}

// relu(x), 6 where it is above 6; NaN stays NaN.
SLN_HD inline float relu6(float x) {
  return x > 6.0f ? 6.0f : relu(x);
}

}  // namespace sln
