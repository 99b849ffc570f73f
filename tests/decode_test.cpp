#include "engine/stages/decode.h"

#include <catch2/catch.hpp>

#include "kernels/isa.h"
#include "tests/naive/decode.h"
#include "tests/support/decode_case.h"

namespace {

using sln_test::DecodeCase;
using sln_test::Random;

bool fused() {
  return sln::cpu::isa() != sln::cpu::Isa::kSse4;
}

void require_same(const sln::ResultObject& a, const sln::ResultObject& b) {
  for (int i = 0; i < 4; ++i) REQUIRE(a.box[i] == b.box[i]);
  REQUIRE(a.score == b.score);
  REQUIRE(a.objectness == b.objectness);
  REQUIRE(a.mean_confidence == b.mean_confidence);
  REQUIRE(a.proposal == b.proposal);
  REQUIRE(a.anchor == b.anchor);
  REQUIRE(a.amodal_area == b.amodal_area);
  REQUIRE(a.visible_area == b.visible_area);
  REQUIRE(a.level_counts == b.level_counts);
  REQUIRE(a.amodal == b.amodal);
  REQUIRE(a.visible == b.visible);
  REQUIRE(a.hidden == b.hidden);
  REQUIRE(a.amodal_rle == b.amodal_rle);
  REQUIRE(a.visible_rle == b.visible_rle);
  REQUIRE(a.hidden_rle == b.hidden_rle);
  REQUIRE(a.levels == b.levels);
  REQUIRE(a.level_rles == b.level_rles);
}

void require_same(const sln::Result& a, const sln::Result& b) {
  REQUIRE(a.width == b.width);
  REQUIRE(a.height == b.height);
  REQUIRE(a.levels == b.levels);
  REQUIRE(a.proposals == b.proposals);
  REQUIRE(a.dropped_empty == b.dropped_empty);
  REQUIRE(a.dropped_by_nms == b.dropped_by_nms);
  REQUIRE(a.objects.size() == b.objects.size());
  for (size_t i = 0; i < a.objects.size(); ++i) require_same(a.objects[i], b.objects[i]);
  REQUIRE(a.pairs.size() == b.pairs.size());
  for (size_t i = 0; i < a.pairs.size(); ++i) {
    REQUIRE(a.pairs[i].a == b.pairs[i].a);
    REQUIRE(a.pairs[i].b == b.pairs[i].b);
    REQUIRE(a.pairs[i].order == b.pairs[i].order);
    REQUIRE(a.pairs[i].overlap == b.pairs[i].overlap);
    REQUIRE(a.pairs[i].regions == b.pairs[i].regions);
    REQUIRE(a.pairs[i].largest_region == b.pairs[i].largest_region);
  }
}

// What the cases of one test reached, so that a test that compares nothing but empty results fails.
struct Reached {
  int objects = 0, pairs = 0, ordered = 0, dropped_empty = 0, dropped_by_nms = 0, hidden = 0;

  void add(const sln::Result& result) {
    objects += static_cast<int>(result.objects.size());
    pairs += static_cast<int>(result.pairs.size());
    dropped_empty += result.dropped_empty;
    dropped_by_nms += result.dropped_by_nms;
    for (const auto& pair : result.pairs) ordered += pair.order != 0;
    for (const auto& object : result.objects) hidden += object.amodal_area > object.visible_area;
  }
};

// Decodes with 1, 2 and 3 threads into results that have been used before, and compares each with the definition.
class Decoder {
 public:
  sln::Result check(const sln::DecodeInput& input) {
    const sln::Result expected = sln::naive::decode(input, fused());
    for (auto* engine : {&one_, &two_, &three_}) {
      INFO(engine->pool.threads() << " threads");
      sln::decode(input, engine->workspace, engine->pool, engine->result);
      require_same(engine->result, expected);
    }
    for (const auto& object : expected.objects) {
      for (const sln::Runs* runs : {&object.amodal, &object.visible, &object.hidden}) {
        int64_t pixels = 0;
        for (const uint32_t run : *runs) pixels += run;
        REQUIRE(pixels == int64_t{input.image_w} * input.image_h);
      }
      REQUIRE(sln::naive::runs_of_text(object.amodal_rle) == object.amodal);
    }
    reached.add(expected);
    return expected;
  }

  Reached reached;

 private:
  struct Engine {
    explicit Engine(int threads) : pool(threads) {}
    sln::cpu::ThreadPool pool;
    sln::DecodeWorkspace workspace;
    sln::Result result;
  };
  Engine one_{1}, two_{2}, three_{3};
};

// Boxes around the canvas, some beside the image, degenerate, on half pixels, or a copy of the one before.
void add_random_object(Random& random, DecodeCase& c) {
  const float side = static_cast<float>(c.canvas_side);
  float x0 = random.uniform(-0.1f, 1) * side, y0 = random.uniform(-0.1f, 1) * side;
  float x1 = x0 + random.uniform(0, 0.8f) * side, y1 = y0 + random.uniform(0, 0.8f) * side;
  const int kind = random.below(10);
  if (kind == 0) x1 = x0;
  if (kind == 1) y1 = y0 - 1;
  if (kind == 2) {
    x0 = std::floor(x0) + 0.5f;
    x1 = std::floor(x1) + 0.5f;
  }
  if (kind == 3) x0 = y0 = 0, x1 = y1 = side;
  if (kind == 4 && c.count() > 0) {
    const float* last = c.boxes.data() + c.boxes.size() - 4;
    x0 = last[0], y0 = last[1], x1 = last[2] + 1, y1 = last[3];
  }
  // Few different scores, so that ties are common.
  const float score = 0.25f * static_cast<float>(1 + random.below(3));
  c.add(sln_test::odd_planes(random, c.levels, c.side), x0, y0, x1, y1, score);
}

}  // namespace

TEST_CASE("decode equals its definition on random objects") {
  Random random(1);
  Decoder decoder;
  int dropped_as_shown = 0;
  for (int i = 0; i < 400; ++i) {
    DecodeCase c;
    c.levels = i % 5 == 0 ? 1 + random.below(6) : 4;
    c.side = i % 3 == 0 ? 1 + random.below(12) : 28;
    c.set_image(1 + random.below(200), 1 + random.below(200), 32 + random.below(120));
    const int count = random.below(9);
    for (int k = 0; k < count; ++k) add_random_object(random, c);
    sln::DecodeInput input = c.input();
    const float thresholds[] = {0.5f, 0.5f, 0.25f, 0.7f};
    const double limits[] = {0.6, 1, 0.3, 0};
    input.options.mask_threshold = thresholds[random.below(4)];
    input.options.mask_nms = limits[random.below(4)];
    const double shares[] = {1, 0.7, 0.3, 0};
    input.options.visible_overlap = shares[i % 4];
    input.options.level_masks = random.below(2) == 0;
    input.options.score_mode = random.below(3) == 0 ? sln::ScoreMode::kObjectness : sln::ScoreMode::kMask;
    INFO("case " << i);
    const int dropped = decoder.check(input).dropped_by_nms;
    input.options.visible_overlap = 1;
    dropped_as_shown += dropped - sln::naive::decode(input, fused()).dropped_by_nms;
  }
  CHECK(dropped_as_shown > 20);
  CHECK(decoder.reached.objects > 150);
  CHECK(decoder.reached.hidden > 50);
  CHECK(decoder.reached.pairs > 100);
  CHECK(decoder.reached.ordered > 50);
  CHECK(decoder.reached.dropped_empty > 50);
  CHECK(decoder.reached.dropped_by_nms > 20);
}

TEST_CASE("decode of no proposals is an empty result") {
  DecodeCase c;
  c.set_image(64, 48, 64);
  const sln::Result result = Decoder().check(c.input());
  CHECK(result.objects.empty());
  CHECK(result.pairs.empty());
  CHECK(result.width == 64);
}

TEST_CASE("decode works on images of extreme shapes") {
  Random random(2);
  Decoder decoder;
  const int sizes[][2] = {{1, 1}, {1, 50}, {50, 1}, {30, 2000}, {2000, 3}, {4000, 3000}};
  for (const auto& size : sizes) {
    DecodeCase c;
    c.set_image(size[0], size[1], 64);
    const int count = size[0] == 4000 ? 3 : 8;
    for (int k = 0; k < count; ++k) {
      // Where the image is only a few pixels wide or high, its one or two pixel centres lie inside of every box.
      const bool narrow = size[0] < 5 || size[0] == 30, low = size[1] < 5;
      const float x0 = narrow ? -2.0f : random.uniform(0, 20), y0 = low ? -2.0f : random.uniform(0, 20);
      const float x1 = x0 + (narrow ? 62 : random.uniform(20, 40)), y1 = y0 + (low ? 62 : random.uniform(20, 40));
      c.add(sln_test::object_planes(random, 4, 28, 2, 4), x0, y0, x1, y1, random.uniform(0.1f, 1));
    }
    INFO(size[0] << "x" << size[1]);
    sln::DecodeInput input = c.input();
    input.options.mask_nms = 0.9;
    CHECK_FALSE(decoder.check(input).objects.empty());
  }
}

TEST_CASE("objects of equal score keep the order of their proposals") {
  Random random(4);
  DecodeCase c;
  c.set_image(64, 64, 64);
  const auto planes = sln_test::object_planes(random, 4, 28, 1, 2);
  for (int k = 0; k < 6; ++k) {
    const float x = static_cast<float>(8 * k);
    c.add(planes, x, 0, x + 8, 30, k == 4 ? 0.75f : 0.5f);
  }
  const sln::Result result = Decoder().check(c.input());
  std::vector<int> proposals;
  for (const auto& object : result.objects) proposals.push_back(object.proposal);
  CHECK(proposals == std::vector<int>{4, 0, 1, 2, 3, 5});
}

TEST_CASE("the mask's confidence or the objectness alone is the score") {
  DecodeCase c;
  c.side = 2;
  c.levels = 1;
  c.set_image(4, 4, 4);
  // C = 0.75, 0.875, 0.5 (not over the threshold), 0.25 at the cells.
  c.add({0.25f, 0.125f, 0.5f, 0.75f, 0.75f, 0.875f, 0.5f, 0.25f}, 0, 0, 4, 4, 0.5f);
  sln::DecodeInput input = c.input();
  sln::Result result = Decoder().check(input);
  REQUIRE(result.objects.size() == 1);
  CHECK(result.objects[0].mean_confidence == 0.8125f);
  CHECK(result.objects[0].score == 0.40625f);
  input.options.score_mode = sln::ScoreMode::kObjectness;
  result = Decoder().check(input);
  CHECK(result.objects[0].mean_confidence == 0.8125f);
  CHECK(result.objects[0].score == 0.5f);
}

TEST_CASE("mask NMS suppresses strictly above its limit, and by kept masks only") {
  DecodeCase c;
  c.side = 8;
  c.set_image(64, 64, 64);
  const std::vector<float> full = sln_test::drawn_planes(std::vector<std::string>(8, "00000000"), 4);
  c.add(full, 0, 0, 8, 8, 0.9f);
  c.add(full, 2, 0, 10, 8, 0.8f);  // 48 of 80 pixels shared with the first: 0.6 exactly
  c.add(full, 4, 0, 12, 8, 0.7f);
  sln::DecodeInput input = c.input();
  input.options.mask_nms = 0.6;
  CHECK(Decoder().check(input).objects.size() == 3);
  input.options.mask_nms = 0.59;
  const sln::Result result = Decoder().check(input);
  REQUIRE(result.objects.size() == 2);  // the third overlaps the suppressed one too much, not the first
  CHECK(result.objects[1].proposal == 2);
  CHECK(result.dropped_by_nms == 1);
}

TEST_CASE("an object goes whose visible part is shown by surer ones together, and only strictly above the limit") {
  DecodeCase c;
  c.side = 8;
  c.set_image(64, 64, 64);
  const std::vector<float> full = sln_test::drawn_planes(std::vector<std::string>(8, "00000000"), 4);
  const std::vector<float> left_hidden = sln_test::drawn_planes(std::vector<std::string>(8, "11110000"), 4);
  c.add(full, 0, 0, 8, 8, 0.9f);
  c.add(full, 8, 0, 16, 8, 0.8f);
  c.add(full, 4, 0, 20, 8, 0.7f);          // 12 of its 16 columns are shown, the others by nobody
  c.add(left_hidden, 12, 0, 20, 8, 0.6f);  // visible only in those others
  c.add(left_hidden, 0, 8, 8, 16, 0.5f);
  c.add(full, 0, 8, 8, 16, 0.4f);  // half of its pixels are visible in the one before, half are hidden there
  sln::DecodeInput input = c.input();
  input.options.mask_nms = 1;
  const auto proposals = [&](double limit) {
    input.options.visible_overlap = limit;
    std::vector<int> found;
    for (const auto& object : Decoder().check(input).objects) found.push_back(object.proposal);
    return found;
  };
  CHECK(proposals(1) == std::vector<int>{0, 1, 2, 3, 4, 5});
  CHECK(proposals(0.75) == std::vector<int>{0, 1, 2, 4, 5});  // what the third shows the fourth may not
  CHECK(proposals(0.74) == std::vector<int>{0, 1, 3, 4, 5});  // what is dropped shows nothing
  CHECK(proposals(0.5) == std::vector<int>{0, 1, 3, 4, 5});
  CHECK(proposals(0.49) == std::vector<int>{0, 1, 3, 4});
}

TEST_CASE("of one level all of an object is visible") {
  DecodeCase c;
  c.side = 8;
  c.levels = 1;
  c.set_image(64, 64, 64);
  const std::vector<float> full = sln_test::drawn_planes(std::vector<std::string>(8, "00000000"), 1);
  c.add(full, 0, 0, 8, 8, 0.9f);
  c.add(full, 2, 0, 10, 8, 0.8f);
  sln::DecodeInput input = c.input();
  input.options.mask_nms = 1;
  input.options.visible_overlap = 0.75;
  CHECK(Decoder().check(input).objects.size() == 2);
  input.options.visible_overlap = 0.74;
  CHECK(Decoder().check(input).dropped_by_nms == 1);
}

TEST_CASE("an object without a visible pixel stays whatever is shown in its place") {
  DecodeCase c;
  c.side = 4;
  c.set_image(32, 32, 32);
  c.add(sln_test::drawn_planes(std::vector<std::string>(4, "0000"), 4), 0, 0, 8, 8, 0.9f);
  c.add(sln_test::drawn_planes(std::vector<std::string>(4, "1111"), 4), 0, 0, 8, 8, 0.8f);
  sln::DecodeInput input = c.input();
  input.options.mask_nms = 1;
  input.options.visible_overlap = 0;
  CHECK(Decoder().check(input).objects.size() == 2);
}

TEST_CASE("an object that only one of the two grids sees is dropped and counted") {
  DecodeCase c;
  c.side = 1;
  c.levels = 1;
  c.set_image(40, 40, 80);
  c.add({0.1f, 0.9f}, 10.1f, 10.1f, 10.9f, 30, 0.9f);  // pixel 10 of the canvas, between two centres of the image
  c.add({0.1f, 0.9f}, 20, 10, 30, 30, 0.8f);
  c.add({0.1f, 0.9f}, 25, 10, 35, 30, 0.7f);
  sln::DecodeInput input = c.input();
  sln::Result result = Decoder().check(input);
  CHECK(result.dropped_empty == 1);
  REQUIRE(result.objects.size() == 2);
  REQUIRE(result.pairs.size() == 1);
  CHECK(result.pairs[0].a == 0);
  CHECK(result.pairs[0].b == 1);
  CHECK(result.objects[0].amodal_area == 50);
  c.set_image(80, 80, 40);
  c.boxes[0] = 10.6f;
  c.boxes[2] = 11.3f;  // pixels 21 and 22 of the image, no centre of the canvas
  result = Decoder().check(c.input());
  CHECK(result.dropped_empty == 1);
}

TEST_CASE("a result is the same after larger ones went through its memory") {
  Random random(6);
  Decoder decoder;
  for (const int count : {20, 1, 12, 0, 20}) {
    DecodeCase c;
    c.set_image(90 + count, 70, 128);
    for (int k = 0; k < count; ++k) add_random_object(random, c);
    sln::DecodeInput input = c.input();
    input.options.mask_nms = count == 12 ? 0.5 : 1;
    decoder.check(input);
  }
  CHECK(decoder.reached.objects > 20);
}

TEST_CASE("planes that are not numbers make no object and do no harm") {
  DecodeCase c;
  c.side = 4;
  c.set_image(20, 20, 20);
  const float nan = std::nanf("");
  c.add(std::vector<float>(5 * 16, nan), 0, 0, 9, 9, 0.9f);
  c.add(std::vector<float>(5 * 16, 0.2f), 0, 0, 9, 9, nan);
  c.add(std::vector<float>(5 * 16, 0.2f), nan, 0, 9, 9, 0.9f);
  c.add(std::vector<float>(5 * 16, 0.2f), 0, 0, 9, 9, 0.5f);
  sln::DecodeWorkspace workspace;
  sln::cpu::ThreadPool pool(2);
  sln::Result result;
  sln::DecodeInput input = c.input();
  input.options.mask_nms = 1;
  sln::decode(input, workspace, pool, result);
  CHECK(result.dropped_empty == 2);
  REQUIRE(result.objects.size() == 2);
  CHECK(result.objects[0].proposal == 3);
}
