#include "engine/stages/depth_order.h"

#include <catch2/catch.hpp>

#include "tests/naive/decode.h"
#include "tests/support/decode_case.h"

namespace {

using sln_test::drawn_planes;
using Drawing = std::vector<std::string>;

// Two drawings of one size at one place, the first with the higher score.
sln::ResultPair order_of(const Drawing& a, const Drawing& b) {
  sln_test::DecodeCase c;
  c.side = static_cast<int>(a.size());
  c.set_image(100, 100, 100);
  const float x = 61, y = 7, side = static_cast<float>(c.side);  // across a word's border
  c.add(drawn_planes(a, c.levels), x, y, x + side, y + side, 0.9f);
  c.add(drawn_planes(b, c.levels), x, y, x + side, y + side, 0.8f);
  sln::DecodeInput input = c.input();
  input.options.mask_nms = 1;
  input.options.score_mode = sln::ScoreMode::kObjectness;
  sln::DecodeWorkspace workspace;
  sln::cpu::ThreadPool pool(1);
  sln::Result result;
  sln::decode(input, workspace, pool, result);
  REQUIRE(result.objects.size() == 2);
  REQUIRE(result.pairs.size() <= 1);
  if (result.pairs.empty()) return sln::ResultPair();
  CHECK(result.pairs[0].a == 0);
  CHECK(result.pairs[0].b == 1);
  return result.pairs[0];
}

void check(const sln::ResultPair& pair, int order, int64_t overlap, int regions, int64_t largest) {
  CHECK(pair.order == order);
  CHECK(pair.overlap == overlap);
  CHECK(pair.regions == regions);
  CHECK(pair.largest_region == largest);
}

}  // namespace

TEST_CASE("the object with the lower level is in front") {
  check(order_of({"0000", "0000", "0000", "...."}, {"....", "1111", "1111", "1111"}), 1, 8, 1, 8);
  check(order_of({"....", "1111", "1111", "1111"}, {"0000", "0000", "0000", "...."}), -1, 8, 1, 8);
  check(order_of({"3333", "3333", "3333", "3333"}, {"2222", "2222", "....", "...."}), -1, 8, 1, 8);
}

TEST_CASE("the largest region decides") {
  check(order_of({"0000", "0000", "0000", "1111"}, {"1101", "1101", "0000", "0000"}), 1, 16, 3, 4);
  check(order_of({"0011", "0011", "0000", "0000"}, {"1100", "1100", "0000", "1111"}), 1, 16, 3, 4);
  check(order_of({"1100", "1100", "0000", "0000"}, {"0011", "0010", "0000", "0000"}), -1, 16, 2, 4);
}

TEST_CASE("of equal regions the one that comes first decides") {
  check(order_of({"0001", "0001", "0000", "0000"}, {"1000", "1000", "0000", "0000"}), 1, 16, 2, 2);
  check(order_of({"1000", "1000", "0000", "0000"}, {"0001", "0001", "0000", "0000"}), -1, 16, 2, 2);
  // The region of three that begins in the first row does so further right, but in an earlier row.
  check(order_of({"0001", "0001", "0001", "0000"}, {"0000", "1000", "1000", "1000"}), -1, 16, 2, 3);
}

TEST_CASE("regions are connected by edges, not by corners, and not across signs") {
  check(order_of({"0000", "0000", "0000", "0000"}, {"1000", "0100", "0010", "0001"}), 1, 16, 4, 1);
  check(order_of({"0101", "1010", "0101", "1010"}, {"1010", "0101", "1010", "0101"}), 1, 16, 16, 1);
  // A spiral and a fork whose arms meet only at the end.
  check(order_of({"0000", "0000", "0000", "0000"}, {"1011", "1001", "1001", "1111"}), 1, 16, 1, 11);
}

TEST_CASE("levels that agree decide nothing, masks apart are no pair") {
  check(order_of({"0000", "1111", "0000", "0000"}, {"0000", "1111", "....", "...."}), 0, 8, 0, 0);
  check(order_of({"00..", "00..", "....", "...."}, {"..11", "..11", "....", "...."}), 0, 0, 0, 0);
}

TEST_CASE("regions of runs are those of a flood fill") {
  sln_test::Random random(17);
  sln::RegionFinder positive, negative;
  for (int i = 0; i < 400; ++i) {
    const int word_begin = random.below(3), words = 1 + random.below(4);
    const int w = words * 64, h = 1 + random.below(30);
    const int density = random.below(7), stretch = 1 + random.below(9);
    std::vector<int> values(static_cast<size_t>(w * h));
    for (size_t k = 0; k < values.size(); ++k) {
      const bool repeat = k > 0 && random.below(stretch) != 0;
      values[k] = repeat ? values[k - 1] : random.below(8) < density ? 0 : random.below(2) * 2 - 1;
    }
    positive.start();
    negative.start();
    for (int y = 0; y < h; ++y) {
      std::vector<uint64_t> plus(static_cast<size_t>(words)), minus(plus);
      for (int x = 0; x < w; ++x) {
        const int value = values[static_cast<size_t>(y * w + x)];
        const uint64_t bit = uint64_t{1} << (x % 64);
        if (value > 0) plus[static_cast<size_t>(x / 64)] |= bit;
        if (value < 0) minus[static_cast<size_t>(x / 64)] |= bit;
      }
      const auto any = [](const std::vector<uint64_t>& bits) {
        return std::any_of(bits.begin(), bits.end(), [](uint64_t word) { return word != 0; });
      };
      if (any(plus)) positive.add_row(y, plus.data(), word_begin, words);
      if (any(minus)) negative.add_row(y, minus.data(), word_begin, words);
    }
    const auto plus = positive.finish();
    const auto minus = negative.finish();
    const sln::naive::Regions expected = sln::naive::flood_fill(values, w, h);
    REQUIRE(plus.regions + minus.regions == expected.count);
    REQUIRE(std::max(plus.largest, minus.largest) == expected.largest);
    if (expected.count == 0) continue;
    const bool front = plus.largest != minus.largest ? plus.largest > minus.largest : plus.first < minus.first;
    REQUIRE((front ? 1 : -1) == expected.sign);
  }
}
