#include "kernels/mask_bits.h"

#include <cmath>

#include <catch2/catch.hpp>

#include "kernels/isa.h"
#include "tests/naive/decode.h"
#include "tests/support/decode_case.h"
#include "tests/support/op_buffers.h"

namespace {

using sln_test::Guarded;
using sln_test::Random;

// One object's bits with sentinels around each of their arrays.
struct FilledMask {
  explicit FilledMask(const sln::PasteObject& object)
      : mask(shape(object)),
        planes(sln::cpu::mask_bits_planes_words(mask)),
        not_object(sln::cpu::mask_bits_not_object_floats(mask)),
        rows(sizeof(sln::PasteRow) * static_cast<size_t>(mask.window.y_end - mask.window.y_begin)),
        workspace(sln::cpu::mask_bits_workspace_floats(object, mask)) {
    mask.planes = planes.data();
    mask.not_object = not_object.data();
    mask.rows = reinterpret_cast<sln::PasteRow*>(rows.data());
    if (planes.size() > 0) sln::cpu::mask_bits_fill(object, mask, workspace.data());
  }

  static sln::MaskBits shape(const sln::PasteObject& object) {
    sln::MaskBits mask;
    sln::cpu::mask_bits_shape(object, mask);
    return mask;
  }

  bool intact() const { return planes.intact() && not_object.intact() && rows.intact() && workspace.intact(); }

  // 0 where the pixel lies on no word of the plane.
  bool bit(int plane, int x, int y) {
    const int words = mask.word_end - mask.word_begin, height = mask.window.y_end - mask.window.y_begin;
    if (y < mask.window.y_begin || y >= mask.window.y_end || x / 64 < mask.word_begin || x / 64 >= mask.word_end) {
      return false;
    }
    const int row = plane * height + y - mask.window.y_begin;
    return (planes[static_cast<size_t>(row * words + x / 64 - mask.word_begin)] >> (x % 64) & 1) != 0;
  }

  sln::MaskBits mask;
  Guarded<uint64_t> planes;
  Guarded<float> not_object;
  Guarded<uint8_t> rows;
  Guarded<float> workspace;
};

constexpr int kWidth = 200, kHeight = 40;

sln::PasteObject make_object(const std::vector<float>& planes, int levels, int side, const float (&box)[4],
                             float threshold) {
  sln::PasteObject object;
  object.layers = planes.data();
  object.channels = levels + 1;
  object.side = side;
  std::copy_n(box, 4, object.box);
  object.grid_w = kWidth;
  object.grid_h = kHeight;
  object.threshold = threshold;
  return object;
}

sln::naive::PastedObject paste(const sln::PasteObject& o) {
  return sln::naive::paste(o.layers, o.channels, o.side, o.box, o.grid_w, o.grid_h, o.threshold,
                           sln::cpu::isa() != sln::cpu::Isa::kSse4);
}

void check_planes(FilledMask& filled, const sln::naive::PastedObject& naive, float threshold) {
  int64_t area = 0;
  for (int y = 0; y < kHeight; ++y) {
    for (int x = 0; x < kWidth + 56; ++x) {  // to the end of the last word
      const size_t at = static_cast<size_t>(y * kWidth + x);
      const int level = x < kWidth ? naive.level[at] : -1;
      const float c = x < kWidth ? naive.confidence[at] : 0.0f;
      area += level >= 0;
      if (filled.bit(0, x, y) != (level >= 0)) FAIL("C > c at " << x << ", " << y);
      if (filled.bit(1, x, y) != (c > threshold * threshold)) FAIL("C > c*c at " << x << ", " << y);
      for (int b = 0; b < filled.mask.level_bits; ++b) {
        if (filled.bit(2 + b, x, y) != (level > 0 && (level >> b & 1) != 0)) FAIL("bit " << b << " of L");
      }
    }
  }
  CHECK(filled.mask.area == area);
  CHECK(filled.intact());
}

// Compares every row that two masks share; returns the pixels of Omega.
int64_t check_pair(FilledMask& a, FilledMask& b, const sln::naive::PastedObject& naive_a,
                   const sln::naive::PastedObject& naive_b, float threshold) {
  int64_t total = 0, shared = 0;
  sln::MaskOrderRow row;
  row.a = &a.mask;
  row.b = &b.mask;
  row.threshold = threshold;
  row.word_begin = std::max(a.mask.word_begin, b.mask.word_begin);
  row.word_end = std::min(a.mask.word_end, b.mask.word_end);
  const int y_end = std::min(a.mask.window.y_end, b.mask.window.y_end);
  for (row.y = std::max(a.mask.window.y_begin, b.mask.window.y_begin); row.y < y_end; ++row.y) {
    if (row.word_begin >= row.word_end) break;
    const size_t words = static_cast<size_t>(row.word_end - row.word_begin);
    Guarded<uint64_t> a_front(words), b_front(words);
    row.a_front = a_front.data();
    row.b_front = b_front.data();
    int64_t pixels = 0;
    const int64_t counted = sln::cpu::mask_bits_order_row(row);
    REQUIRE((a_front.intact() && b_front.intact()));
    for (int x = row.word_begin * 64; x < row.word_end * 64; ++x) {
      const size_t at = static_cast<size_t>(row.y * kWidth + x);
      const float product = x < kWidth ? naive_a.confidence[at] * naive_b.confidence[at] : 0.0f;
      const bool omega =
          x < kWidth && naive_a.window[at] != 0 && naive_b.window[at] != 0 && product > threshold * threshold;
      const int r = omega ? std::max(naive_b.level[at], 0) - std::max(naive_a.level[at], 0) : 0;
      const size_t w = static_cast<size_t>(x / 64 - row.word_begin);
      if ((a_front[w] >> (x % 64) & 1) != (r > 0) || (b_front[w] >> (x % 64) & 1) != (r < 0)) {
        FAIL("R at " << x << ", " << row.y);
      }
      pixels += omega;
      shared += x < kWidth && naive_a.level[at] >= 0 && naive_b.level[at] >= 0;
    }
    REQUIRE(counted == pixels);
    total += pixels;
  }
  CHECK(sln::cpu::mask_bits_intersection(a.mask, b.mask) == shared);
  CHECK(sln::cpu::mask_bits_intersect(a.mask, b.mask) == (shared > 0));
  return total;
}

// Claims the visible pixels of one mask in a bitmap of the grid and counts those of the other; returns the common ones.
int64_t check_visible(const FilledMask& a, const FilledMask& b, const sln::naive::PastedObject& naive_a,
                      const sln::naive::PastedObject& naive_b) {
  constexpr size_t kStride = (kWidth + 63) / 64;
  Guarded<uint64_t> claimed(kStride * kHeight);
  std::fill_n(claimed.data(), claimed.size(), uint64_t{0});
  sln::cpu::mask_bits_claim(a.mask, claimed.data(), kStride);
  sln::VisiblePixels expected;
  for (int y = 0; y < kHeight; ++y) {
    for (int x = 0; x < static_cast<int>(kStride) * 64; ++x) {
      const size_t at = static_cast<size_t>(y * kWidth + x);
      const bool in_a = x < kWidth && naive_a.level[at] == 0, in_b = x < kWidth && naive_b.level[at] == 0;
      const uint64_t word = claimed[static_cast<size_t>(y) * kStride + static_cast<size_t>(x / 64)];
      if ((word >> (x % 64) & 1) != in_a) FAIL("claimed at " << x << ", " << y);
      expected.count += in_b;
      expected.claimed += in_a && in_b;
    }
  }
  const sln::VisiblePixels counted = sln::cpu::mask_bits_visible(b.mask, claimed.data(), kStride);
  CHECK(counted.count == expected.count);
  CHECK(counted.claimed == expected.claimed);
  CHECK(claimed.intact());
  return counted.claimed;
}

}  // namespace

TEST_CASE("bit planes and what is made of two of them equal their definitions") {
  Random random(9);
  int64_t omega = 0, both_visible = 0;
  for (int i = 0; i < 300; ++i) {
    const int levels = i % 3 == 0 ? 1 + random.below(9) : 4;
    const int side = 1 + random.below(28);
    const float thresholds[] = {0.5f, 0.25f, 0.7f, 0.05f};
    const float threshold = thresholds[random.below(4)];
    const auto planes_a = sln_test::odd_planes(random, levels, side);
    const auto planes_b = sln_test::odd_planes(random, levels, side);
    const float x = random.uniform(-20, 170), y = random.uniform(-10, 30);
    const float box_a[4] = {x, y, x + random.uniform(1, 140), y + random.uniform(1, 40)};
    const float u = x + random.uniform(-30, 60), v = y + random.uniform(-9, 9);
    const float box_b[4] = {u, v, u + random.uniform(1, 140), v + random.uniform(1, 40)};
    const sln::PasteObject a = make_object(planes_a, levels, side, box_a, threshold);
    const sln::PasteObject b = make_object(planes_b, levels, side, box_b, threshold);
    FilledMask filled_a(a), filled_b(b);
    const auto naive_a = paste(a), naive_b = paste(b);
    INFO("case " << i);
    check_planes(filled_a, naive_a, threshold);
    check_planes(filled_b, naive_b, threshold);
    omega += check_pair(filled_a, filled_b, naive_a, naive_b, threshold);
    both_visible += check_visible(filled_a, filled_b, naive_a, naive_b);
  }
  CHECK(omega > 10000);
  CHECK(both_visible > 1000);
}

TEST_CASE("Omega holds just above and just below its limit, for every threshold") {
  Random random(10);
  int inside = 0;
  constexpr int kCases = 4000;
  for (int i = 0; i < kCases; ++i) {
    const float threshold = i % 4 == 0 ? std::ldexp(random.uniform(0.5f, 1), -random.below(12)) : random.uniform(0, 1);
    // C a few steps around c, or so that the product lies around c*c.
    const auto near = [&](float c) {
      for (int step = random.below(7) - 3; step != 0; step += step < 0 ? 1 : -1) {
        c = std::nextafter(c, step < 0 ? 0.0f : 1.0f);
      }
      return c;
    };
    const float first = i % 2 == 0 ? near(threshold) : random.uniform(threshold, 1);
    const float second = i % 2 == 0 ? near(threshold) : near(threshold * threshold / first);
    const float box[4] = {0, 0, 1, 1};
    const std::vector<float> planes_a = {1 - first, first}, planes_b = {1 - second, second};
    const sln::PasteObject a = make_object(planes_a, 1, 1, box, threshold);
    const sln::PasteObject b = make_object(planes_b, 1, 1, box, threshold);
    FilledMask filled_a(a), filled_b(b);
    INFO("c " << threshold << " C " << first << " and " << second);
    inside += check_pair(filled_a, filled_b, paste(a), paste(b), threshold) > 0;
  }
  CHECK(inside > kCases / 5);
  CHECK(inside < kCases * 4 / 5);
}
