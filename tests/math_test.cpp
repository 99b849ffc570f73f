// The scalar maths that every backend calls.
#include <catch2/catch.hpp>
#include <cmath>
#include <cstring>
#include <limits>

#include "kernels/math/activation.h"
#include "kernels/math/bilinear.h"
#include "kernels/math/box.h"
#include "kernels/math/iou.h"
#include "kernels/math/semdist.h"
#include "kernels/math/triangle.h"

namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

float from_bits(uint32_t bits) {
  float x = 0;
  std::memcpy(&x, &bits, sizeof x);
  return x;
}

// |value - exact| in units of the last place of a float of that size, subnormal floats included.
double ulps(float value, double exact) {
  const int exponent = std::max(std::ilogb(exact), -126);
  return std::fabs(value - exact) / std::ldexp(1.0, exponent - 23);
}

}  // namespace

TEST_CASE("exp is within 1.01 ulp wherever its result is finite") {
  double worst = 0;
  for (const uint32_t sign : {0u, 0x80000000u}) {
    for (uint32_t bits = 0; bits <= 0x42D00000u; bits += 997) {  // up to 104
      const float x = from_bits(bits | sign);
      const double exact = std::exp(double{x});
      if (exact > std::numeric_limits<float>::max()) break;
      worst = std::max(worst, ulps(sln::exp(x), exact));
    }
  }
  INFO("worst " << worst << " ulp");
  CHECK(worst <= 1.01);
}

TEST_CASE("exp is defined for all inputs") {
  CHECK(sln::exp(0.0f) == 1);
  CHECK(sln::exp(-0.0f) == 1);
  CHECK(sln::exp(kInfinity) == kInfinity);
  CHECK(sln::exp(std::numeric_limits<float>::max()) == kInfinity);
  CHECK(sln::exp(88.722832f) < kInfinity);  // the largest with a finite result
  CHECK(sln::exp(88.722839f) == kInfinity);
  CHECK(sln::exp(-kInfinity) == 0);
  CHECK(sln::exp(-std::numeric_limits<float>::max()) == 0);
  CHECK(sln::exp(-103.97f) == std::numeric_limits<float>::denorm_min());
  CHECK(sln::exp(-104.0f) == 0);
  CHECK(std::isnan(sln::exp(kNan)));
}

TEST_CASE("exp's bits do not change") {
  // Golden values: a change here changes every index that the network decides on.
  const auto bits_of = [](float x) {
    uint32_t bits = 0;
    std::memcpy(&bits, &x, sizeof bits);
    return bits;
  };
  CHECK(bits_of(sln::exp(1.0f)) == 0x402DF854u);
  CHECK(bits_of(sln::exp(-1.0f)) == 0x3EBC5AB2u);
  CHECK(bits_of(sln::exp(10.0f)) == 0x46AC14EEu);
}

TEST_CASE("sigmoid") {
  CHECK(sln::sigmoid(0.0f) == 0.5f);
  CHECK(sln::sigmoid(kInfinity) == 1);
  CHECK(sln::sigmoid(-kInfinity) == 0);
  CHECK(std::isnan(sln::sigmoid(kNan)));
  for (float x = -30; x < 30; x += 0.37f) CHECK(ulps(sln::sigmoid(x), 1 / (1 + std::exp(-double{x}))) < 3);
}

TEST_CASE("relu and relu6") {
  CHECK(sln::relu(2.5f) == 2.5f);
  CHECK(sln::relu(-2.5f) == 0);
  CHECK((sln::relu(-0.0f) == 0 && std::signbit(sln::relu(-0.0f))));
  CHECK(std::isnan(sln::relu(kNan)));
  CHECK(sln::relu(kInfinity) == kInfinity);
  CHECK(sln::relu6(kInfinity) == 6);
  CHECK(std::isnan(sln::relu6(kNan)));
  CHECK(sln::relu6(7.0f) == 6);
  CHECK(sln::relu6(5.5f) == 5.5f);
  CHECK(sln::relu6(-1.0f) == 0);
}

TEST_CASE("taps are clamped to the map") {
  const auto check = [](float position, int size, int lo, int hi, float t) {
    const sln::Taps taps = sln::clamped_taps(position, size);
    INFO("position " << position << " of " << size);
    CHECK(taps.lo == lo);
    CHECK(taps.hi == hi);
    CHECK(taps.t == t);
  };
  check(-3, 4, 0, 1, 0);
  check(0, 4, 0, 1, 0);
  check(1.25f, 4, 1, 2, 0.25f);
  check(2.75f, 4, 2, 3, 0.75f);
  check(3, 4, 3, 3, 0);
  check(3.5f, 4, 3, 3, 0);
  check(1e30f, 4, 3, 3, 0);
  check(0.5f, 1, 0, 0, 0);
  check(kNan, 4, 0, 1, 0);
  check(-kInfinity, 4, 0, 1, 0);
}

TEST_CASE("half_pixel") {
  CHECK(sln::half_pixel(0, 0.5f) == -0.25f);
  CHECK(sln::half_pixel(1, 0.5f) == 0.25f);
  CHECK(sln::half_pixel(7, 0.125f) == 0.4375f);
}

TEST_CASE("RoI taps end one pixel outside") {
  CHECK(sln::roi_taps(-1.0f, 8).inside);
  CHECK(!sln::roi_taps(std::nextafter(-1.0f, -2.0f), 8).inside);
  CHECK(sln::roi_taps(8.0f, 8).inside);
  CHECK(!sln::roi_taps(std::nextafter(8.0f, 9.0f), 8).inside);
  CHECK(!sln::roi_taps(kNan, 8).inside);
  const sln::RoiTaps taps = sln::roi_taps(2.25f, 8);
  CHECK(taps.lo == 2);
  CHECK(taps.hi == 3);
  CHECK(taps.weight_lo == 0.75f);
  CHECK(taps.weight_hi == 0.25f);
}

TEST_CASE("anchors are decoded and clipped") {
  const sln::Box box = sln::decode_anchor({32, 16, 8, 4}, 0.5f, -0.25f, 0, std::log(2.0f));
  CHECK(box.x0 == 32);
  CHECK(box.x1 == 40);
  CHECK(box.y0 == Approx(11));
  CHECK(box.y1 == Approx(19));
  const sln::Box huge = sln::decode_anchor({0, 0, 16, 16}, 0, 0, 100, kInfinity);
  CHECK(huge.x1 == Approx(500).epsilon(1e-6));
  CHECK(huge.y1 == Approx(500).epsilon(1e-6));
  const sln::Box clipped = sln::clip_box({-1, 3, 70, kNan}, 64);
  CHECK(clipped.x0 == 0);
  CHECK(clipped.y0 == 3);
  CHECK(clipped.x1 == 64);
  CHECK(std::isnan(clipped.y1));
  CHECK(sln::large_enough({0, 0, 4, 4}, 4));
  CHECK(!sln::large_enough({0, 0, 4, std::nextafter(4.0f, 3.0f)}, 4));
  CHECK(!sln::large_enough(clipped, 0));
}

TEST_CASE("IoU") {
  const auto iou = [](const sln::Box& a, const sln::Box& b) { return sln::iou(a, sln::area(a), b, sln::area(b)); };
  CHECK(iou({0, 0, 4, 4}, {0, 0, 4, 4}) == 1);
  CHECK(iou({0, 0, 4, 4}, {0, 0, 4, 2}) == 0.5f);
  CHECK(iou({0, 0, 4, 4}, {4, 0, 8, 4}) == 0);
  CHECK(iou({0, 0, 4, 4}, {5, 5, 8, 9}) == 0);
  CHECK(iou({2, 2, 2, 2}, {2, 2, 2, 2}) == 0);
  CHECK(iou({0, 0, 3, 2}, {1, 1, 4, 3}) == 2.0f / 10.0f);
}

TEST_CASE("confidence stays in [0, 1 - 2^-10]") {
  CHECK(sln::confidence(0.0f) == 1.0f - 1.0f / 1024);
  CHECK(sln::confidence(1.0f) == 0);
  CHECK(sln::confidence(1.0000001f) == 0);
  CHECK(sln::confidence(0.25f) == 0.75f);
  CHECK(std::isnan(sln::confidence(kNan)));
}

TEST_CASE("the lowest level wins ties") {
  sln::LevelArgmax best = {1.0f, 0};
  best = sln::level_argmax_step(best, 1.0f, 1);
  CHECK(best.level == 0);
  best = sln::level_argmax_step(best, 1.5f, 2);
  best = sln::level_argmax_step(best, 1.5f, 3);
  CHECK(best.level == 2);
}

TEST_CASE("the triangle filter's weights add up to 1") {
  for (const auto& [size, output] : {std::pair{1, 1}, std::pair{1, 9}, std::pair{9, 1}, std::pair{4000, 1024},
                                     std::pair{640, 1024}, std::pair{1023, 1024}, std::pair{20000, 3}}) {
    const sln::TriangleFilter filter = sln::triangle_filter(size, output);
    for (int i = 0; i < output; ++i) {
      const sln::TriangleTaps taps = sln::triangle_taps(filter, i);
      REQUIRE(taps.begin >= 0);
      REQUIRE(taps.begin < taps.end);
      REQUIRE(taps.end <= size);
      double sum = 0;
      for (int x = taps.begin; x < taps.end; ++x) sum += sln::triangle_weight(filter, taps, x);
      REQUIRE(sum == Approx(1).epsilon(1e-5));
    }
  }
}
