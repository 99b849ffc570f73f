#include "engine/half.h"

#include <catch2/catch.hpp>
#include <cmath>

namespace {

// The definition, by arithmetic.
double value_of(int half) {
  const int exponent = half >> 10 & 31;
  const int mantissa = half & 1023;
  const double size = exponent == 0 ? std::ldexp(mantissa, -24) : std::ldexp(1024 + mantissa, exponent - 25);
  return (half & 0x8000) != 0 ? -size : size;
}

}  // namespace

TEST_CASE("Every finite half is widened to its value, and found again") {
  int wrong = 0;
  for (int half = 0; half < 65536; ++half) {
    if ((half >> 10 & 31) == 31) continue;
    const float wide = sln::half_to_float(static_cast<uint16_t>(half));
    uint16_t back = 0;
    if (static_cast<double>(wide) != value_of(half) || std::signbit(wide) != (half >= 0x8000)) ++wrong;
    if (!sln::float_to_half(wide, &back) || back != half) ++wrong;
  }
  CHECK(wrong == 0);
}

TEST_CASE("Infinity and NaN stay what they are") {
  CHECK(sln::half_to_float(0x7c00) == INFINITY);
  CHECK(sln::half_to_float(0xfc00) == -INFINITY);
  CHECK(std::isnan(sln::half_to_float(0x7e00)));
}

TEST_CASE("A float between two halves, or beyond them, is none") {
  int taken = 0;
  uint16_t half = 0;
  for (int i = 0; i < 0x7bff; ++i) {
    const float low = sln::half_to_float(static_cast<uint16_t>(i));
    const float high = sln::half_to_float(static_cast<uint16_t>(i + 1));
    if (sln::float_to_half(0.5f * (low + high), &half)) ++taken;
    if (sln::float_to_half(std::nextafter(high, 0.0f), &half)) ++taken;
  }
  CHECK(taken == 0);
  for (const float value : {65536.0f, -65536.0f, 65505.0f, 1e-8f, 1e-40f, 3e38f})
    CHECK_FALSE(sln::float_to_half(value, &half));
}
