#include "kernels/paste.h"

#include <limits>

#include <catch2/catch.hpp>

#include "kernels/isa.h"
#include "tests/naive/decode.h"
#include "tests/support/decode_case.h"
#include "tests/support/op_buffers.h"

namespace {

using sln_test::Guarded;
using sln_test::Random;

bool fused() {
  return sln::cpu::isa() != sln::cpu::Isa::kSse4;
}

sln::PasteObject make_object(const std::vector<float>& planes, int channels, int side, const float (&box)[4], int w,
                             int h, float threshold = 0.5f) {
  sln::PasteObject object;
  object.layers = planes.data();
  object.channels = channels;
  object.side = side;
  std::copy_n(box, 4, object.box);
  object.grid_w = w;
  object.grid_h = h;
  object.threshold = threshold;
  return object;
}

int expected_code(const sln::naive::PastedObject& naive, int x, int y) {
  const int level = naive.level[static_cast<size_t>(y) * static_cast<size_t>(naive.width) + static_cast<size_t>(x)];
  return level < 0 ? sln::kPasteOutside : level;
}

void check_window(const sln::PasteWindow& window, const sln::naive::PastedObject& naive) {
  int64_t pixels = 0;
  for (int y = 0; y < naive.height; ++y) {
    for (int x = 0; x < naive.width; ++x) {
      const bool inside = x >= window.x_begin && x < window.x_end && y >= window.y_begin && y < window.y_end;
      const size_t at = static_cast<size_t>(y) * static_cast<size_t>(naive.width) + static_cast<size_t>(x);
      if (inside != (naive.window[at] != 0)) FAIL("window differs at " << x << ", " << y);
      pixels += inside;
    }
  }
  CHECK(pixels == int64_t{window.x_end - window.x_begin} * (window.y_end - window.y_begin));
}

void check_rows(const sln::PasteObject& object, const sln::PasteWindow& window, const sln::naive::PastedObject& naive) {
  const int width = window.x_end - window.x_begin;
  Guarded<float> columns(sln::cpu::paste_workspace_floats(object.channels, object.side, width));
  std::vector<sln::PasteRow> rows(static_cast<size_t>(window.y_end - window.y_begin));
  sln::cpu::paste_prepare(object, window, columns.data());
  sln::cpu::paste_rows(object, window, rows.data());
  const size_t padded = static_cast<size_t>(width + 15) / 16 * 16;
  for (int y = window.y_begin; y < window.y_end; ++y) {
    Guarded<float> confidence(padded);
    Guarded<uint8_t> code(padded);
    sln::cpu::paste_row(object, window, columns.data(), rows[static_cast<size_t>(y - window.y_begin)],
                        confidence.data(), code.data());
    REQUIRE(confidence.intact());
    REQUIRE(code.intact());
    for (int x = window.x_begin; x < window.x_end; ++x) {
      const size_t at = static_cast<size_t>(y) * static_cast<size_t>(naive.width) + static_cast<size_t>(x);
      const size_t i = static_cast<size_t>(x - window.x_begin);
      if (confidence[i] != naive.confidence[at] || code[i] != expected_code(naive, x, y)) {
        FAIL("pixel " << x << ", " << y << ": C " << confidence[i] << " and code " << int{code[i]} << " instead of "
                      << naive.confidence[at] << " and " << expected_code(naive, x, y));
      }
    }
  }
  CHECK(columns.intact());
}

// Every column's changes, written out again as pixels.
void check_strips(const sln::PasteObject& object, const sln::PasteWindow& window,
                  const sln::naive::PastedObject& naive) {
  const size_t capacity = static_cast<size_t>(window.y_end - window.y_begin) + 1;
  std::vector<sln::PasteRow> rows(capacity - 1);
  sln::cpu::paste_rows(object, window, rows.data());
  Guarded<float> columns(sln::cpu::paste_workspace_floats(object.channels, object.side, 16));
  for (int x0 = window.x_begin; x0 < window.x_end; x0 += 16) {
    Guarded<int32_t> changes(2 * 16 * capacity);
    Guarded<int> counts(16);
    sln::PasteChange* list = reinterpret_cast<sln::PasteChange*>(changes.data());
    sln::cpu::paste_strip(object, window, rows.data(), x0, columns.data(), list, counts.data());
    REQUIRE(changes.intact());
    REQUIRE(counts.intact());
    REQUIRE(columns.intact());
    for (int i = 0; i < 16; ++i) {
      int next = 0;
      int code = sln::kPasteOutside;
      const sln::PasteChange* column = list + static_cast<size_t>(i) * capacity;
      for (int y = window.y_begin; y < window.y_end && x0 + i < window.x_end; ++y) {
        if (next < counts[static_cast<size_t>(i)] && column[next].y == y) {
          if (column[next].code == code) FAIL("a change to the same code");
          code = column[next++].code;
        }
        if (code != expected_code(naive, x0 + i, y)) FAIL("pixel " << x0 + i << ", " << y << ": code " << code);
      }
      if (code != sln::kPasteOutside) {
        REQUIRE(column[next].y == window.y_end);
        REQUIRE(column[next++].code == sln::kPasteOutside);
      }
      REQUIRE(next == counts[static_cast<size_t>(i)]);
    }
  }
}

void check_all(const sln::PasteObject& object) {
  const auto naive = sln::naive::paste(object.layers, object.channels, object.side, object.box, object.grid_w,
                                       object.grid_h, object.threshold, fused());
  const sln::PasteWindow window = sln::cpu::paste_window(object);
  check_window(window, naive);
  if (window.x_begin == window.x_end) return;
  check_rows(object, window, naive);
  check_strips(object, window, naive);
}

}  // namespace

TEST_CASE("paste reads the planes as the scalar definition does, bit for bit") {
  Random random(7);
  for (int i = 0; i < 300; ++i) {
    const int levels = i % 3 == 0 ? 1 + random.below(7) : 4;
    const int side = i % 4 == 0 ? 1 + random.below(9) : 28;
    const int w = 1 + random.below(150), h = 1 + random.below(150);
    const auto planes = sln_test::odd_planes(random, levels, side);
    const float half = i % 2 == 0 ? 0.0f : 1.0f;  // half of the boxes lie on half pixels
    const auto snap = [&](float v) { return half != 0.0f ? std::round(v * 2) / 2 : v; };
    const float x = random.uniform(-40, static_cast<float>(w)), y = random.uniform(-40, static_cast<float>(h));
    const float box[4] = {snap(x), snap(y), snap(x + random.uniform(0, 160)), snap(y + random.uniform(0, 160))};
    INFO("case " << i << ": box " << box[0] << " " << box[1] << " " << box[2] << " " << box[3] << " on " << w << "x"
                 << h);
    const float thresholds[] = {0.5f, 0.0f, 0.3f, 0.99f};
    check_all(make_object(planes, levels + 1, side, box, w, h, thresholds[i % 5 == 0 ? random.below(4) : 0]));
  }
}

TEST_CASE("tall cells are skipped without losing a change") {
  Random random(11);
  for (int i = 0; i < 12; ++i) {
    const auto planes = i < 4 ? sln_test::object_planes(random, 4, 7, static_cast<float>(2 * i), 4)
                              : sln_test::odd_planes(random, 4, 7);
    const float box[4] = {0.3f, -20.7f, 39.2f, 900.4f};
    check_all(make_object(planes, 5, 7, box, 40, 800));
  }
}

TEST_CASE("boxes without a pixel have an empty window") {
  const std::vector<float> planes(5, 0.2f);
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const float inf = std::numeric_limits<float>::infinity();
  const float boxes[][4] = {{5, 5, 5, 9},      {5, 5, 9, 5},   {9, 5, 5, 9},       {-9, 2, 0, 9},      {20, 2, 30, 9},
                            {2, -9, 9, 0.5f},  {2, 20, 9, 30}, {5.6f, 2, 6.4f, 9}, {nan, 0, 9, 9},     {0, 0, 9, nan},
                            {-inf, 0, inf, 9}, {0, 0, 9, inf}, {0, 0, 0, 0},       {-0.0f, 0, 0.5f, 9}};
  for (const auto& box : boxes) {
    const sln::PasteWindow window = sln::cpu::paste_window(make_object(planes, 5, 1, box, 20, 20));
    INFO("box " << box[0] << " " << box[1] << " " << box[2] << " " << box[3]);
    CHECK(window.x_begin == 0);
    CHECK(window.x_end == 0);
    CHECK(window.y_begin == 0);
    CHECK(window.y_end == 0);
  }
}

TEST_CASE("a pixel belongs to a box that holds its centre") {
  const std::vector<float> planes(5, 0.2f);
  const float box[4] = {2.5f, 3.4999998f, 5.5f, 6.5000005f};
  const sln::PasteWindow window = sln::cpu::paste_window(make_object(planes, 5, 1, box, 20, 20));
  CHECK(window.x_begin == 2);
  CHECK(window.x_end == 5);
  CHECK(window.y_begin == 3);
  CHECK(window.y_end == 7);
}

TEST_CASE("C is clamped below 1 and the lowest of equal levels wins") {
  std::vector<float> planes = {0.0f, 0.2f, 0.3f, 0.3f, 0.1f};
  const float box[4] = {0, 0, 3, 2};
  const sln::PasteObject object = make_object(planes, 5, 1, box, 3, 2);
  const sln::PasteWindow window = sln::cpu::paste_window(object);
  std::vector<float> columns(sln::cpu::paste_workspace_floats(5, 1, 3)), confidence(16);
  std::vector<uint8_t> code(16);
  std::vector<sln::PasteRow> rows(2);
  sln::cpu::paste_prepare(object, window, columns.data());
  sln::cpu::paste_rows(object, window, rows.data());
  sln::cpu::paste_row(object, window, columns.data(), rows[1], confidence.data(), code.data());
  CHECK(confidence[0] == 1.0f - 1.0f / 1024);
  CHECK(code[2] == 1);
}
