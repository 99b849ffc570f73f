// Masks as spans, run-length codes and polygons.
#include "evaluation/mask.h"

#include <catch2/catch.hpp>
#include <fstream>
#include <nlohmann/json.hpp>

#include "evaluation/polygon.h"
#include "evaluation/segmentation.h"
#include "tests/support/op_buffers.h"

namespace {

using namespace sln::evaluation;
using Catch::Matchers::Contains;
using nlohmann::json;
using Bits = std::vector<uint8_t>;  // column-major

Mask mask_of(const Bits& bits, int width, int height) {
  std::vector<Span> spans;
  for (size_t i = 0; i < bits.size(); ++i) {
    if (bits[i] != 0) spans.push_back({static_cast<uint32_t>(i), static_cast<uint32_t>(i + 1)});
  }
  return mask_of_spans(spans, width, height);
}

Bits bits_of(const Mask& mask) {
  Bits bits(static_cast<size_t>(mask.width) * static_cast<size_t>(mask.height));
  uint32_t last = 0;
  for (const Span& span : mask.spans) {
    REQUIRE(span.begin < span.end);
    REQUIRE((last == 0 || span.begin > last));  // spans do not touch
    last = span.end;
    for (uint32_t i = span.begin; i < span.end; ++i) bits.at(i) = 1;
  }
  return bits;
}

// Area and rectangle by looking at every pixel.
void require_consistent(const Mask& mask) {
  const Bits bits = bits_of(mask);
  int64_t area = 0;
  int left = mask.width, top = mask.height, right = 0, bottom = 0;
  for (int x = 0; x < mask.width; ++x) {
    for (int y = 0; y < mask.height; ++y) {
      if (bits[static_cast<size_t>(x * mask.height + y)] == 0) continue;
      ++area;
      left = std::min(left, x);
      right = std::max(right, x + 1);
      top = std::min(top, y);
      bottom = std::max(bottom, y + 1);
    }
  }
  REQUIRE(mask.area == area);
  if (area == 0) left = top = 0;
  REQUIRE(mask.left == left);
  REQUIRE(mask.right == right);
  REQUIRE((mask.top <= top && mask.bottom >= bottom));  // a span over a column's foot may count as all rows
  if (area == 0) REQUIRE((mask.top == 0 && mask.bottom == 0));
}

Bits random_bits(sln_test::Random& random, int pixels) {
  Bits bits(static_cast<size_t>(pixels));
  const int length = 1 + random.below(12);
  uint8_t value = 0;
  for (uint8_t& bit : bits) {
    if (random.below(length) == 0) value = random.below(3) == 0;
    bit = value;
  }
  return bits;
}

}  // namespace

TEST_CASE("set operations on spans are those on pixels") {
  sln_test::Random random(1);
  for (int i = 0; i < 3000; ++i) {
    const int w = 1 + random.below(9), h = 1 + random.below(9);
    const Bits one = random_bits(random, w * h), other = random_bits(random, w * h);
    const Mask a = mask_of(one, w, h), b = mask_of(other, w, h);
    Bits both(one.size()), either(one.size()), only(one.size());
    int64_t common = 0, all = 0;
    for (size_t p = 0; p < one.size(); ++p) {
      both[p] = one[p] & other[p];
      either[p] = one[p] | other[p];
      only[p] = one[p] & static_cast<uint8_t>(1 - other[p]);
      common += both[p];
      all += either[p];
    }
    require_consistent(a);
    REQUIRE(bits_of(intersect(a, b)) == both);
    REQUIRE(bits_of(unite(a, b)) == either);
    REQUIRE(bits_of(subtract(a, b)) == only);
    require_consistent(subtract(a, b));
    REQUIRE(intersection_area(a, b) == common);
    REQUIRE(iou(a, b) == (common == 0 ? 0 : static_cast<double>(common) / static_cast<double>(all)));
  }
}

TEST_CASE("run-length codes, by hand") {
  CHECK(decode_runs("426", 12) == std::vector<int64_t>{4, 2, 6});
  CHECK(decode_runs("123O2", 12) == std::vector<int64_t>{1, 2, 3, 1, 5});
  CHECK(decode_runs("0P1", 32) == std::vector<int64_t>{0, 32});
  CHECK(decode_runs("", 0).empty());
  const Mask mask = mask_of_runs({4, 2, 6}, 4, 3);
  CHECK(mask.area == 2);
  CHECK((mask.left == 1 && mask.right == 2 && mask.top == 1 && mask.bottom == 3));
  CHECK(mask_of_runs({12}, 4, 3).area == 0);
  CHECK(mask_of_runs({0, 12}, 4, 3).area == 12);
  CHECK(mask_of_runs({0, 3, 0, 3, 0, 2, 4}, 4, 3).spans.size() == 1);  // runs of 0 join their neighbours
}

TEST_CASE("codes that are none are refused") {
  CHECK_THROWS_WITH(mask_of_runs({4, 2, 5}, 4, 3), Contains("12 pixels, found one of 11"));
  CHECK_THROWS_WITH(mask_of_runs({4, 2, 7}, 4, 3), Contains("12 pixels, found one of more"));
  CHECK_THROWS_WITH(mask_of_runs({4, -2, 10}, 4, 3), Contains("at least 0, found -2"));
  CHECK_THROWS_WITH(mask_of_runs({}, 4, 3), Contains("12 pixels, found one of 0"));
  CHECK_THROWS_WITH(decode_runs("4~6", 12), Contains("expected a COCO run-length code, found \"4~6\""));
  CHECK_THROWS_WITH(decode_runs("4b", 12), Contains("run-length code"));  // more should follow
  CHECK_THROWS_WITH(decode_runs("4\x01", 12), Contains("run-length code"));
  CHECK_THROWS_WITH(decode_runs("ooooooooooooo0", 12), Contains("run-length code"));
  CHECK_THROWS_WITH(decode_runs("543K2", 12), Contains("at least 0"));
  CHECK_THROWS_WITH(decode_runs("0d1", 12), Contains("a run of 52"));
  for (const json& bad :
       {json(nullptr), json(1), json::array(), json::array({1, 2, 3, 4}), json::array({1, 2, 3, 4, 5}),
        json::array({1, 2, 3, 4, 5, "6"}), json::array({1, 2, 3, 4, 5, 2e6}),
        json::array({json::array({1, 2, 3, 4, 5, 6}), 7}), json{{"size", {3, 4}}},
        json{{"size", {4, 3}}, {"counts", "426"}}, json{{"size", {3, 4}}, {"counts", {4, 2.5, 6}}},
        json{{"size", {3, 4}}, {"counts", 7}}, json{{"size", {3, 4}}, {"counts", {4, 2}}}}) {
    INFO(bad);
    CHECK_THROWS_WITH(parse_segmentation(bad, 4, 3, "here"),
                      Catch::Matchers::StartsWith("here") && Contains("expected") && Contains("found"));
  }
}

TEST_CASE("the three forms of a segmentation") {
  const Mask code = parse_segmentation(json{{"size", {3, 4}}, {"counts", "426"}}, 4, 3, "x");
  CHECK(bits_of(code) == bits_of(parse_segmentation(json{{"size", {3, 4}}, {"counts", {4, 2, 6}}}, 4, 3, "x")));
  const json square = {1, 1, 3, 1, 3, 3, 1, 3}, other = {0, 0, 1, 0, 1, 3, 0, 3};
  const Mask one = parse_segmentation(square, 4, 3, "x");
  CHECK(one.area == 4);
  const Mask both = parse_segmentation(json::array({square, other}), 4, 3, "x");
  CHECK(bits_of(both) == bits_of(unite(one, rasterise_polygon({0, 0, 1, 0, 1, 3, 0, 3}, 4, 3))));
  CHECK(both.area == 7);
}

TEST_CASE("polygons become the masks that COCO's rule makes") {
  std::ifstream file(SLN_SOURCE_DIR "/tests/evaluation/scenes/polygons.json");
  const json cases = json::parse(file);
  REQUIRE(cases.size() == 240);
  int64_t pixels = 0;
  for (const json& one : cases) {
    const int height = one["mask"]["size"][0], width = one["mask"]["size"][1];
    const Mask expected = parse_segmentation(one["mask"], width, height, "mask");
    const Mask found = parse_segmentation(one["polygon"], width, height, "polygon");
    INFO(one["polygon"]);
    REQUIRE(bits_of(found) == bits_of(expected));
    pixels += found.area;
  }
  CHECK(pixels > 10000);
}
