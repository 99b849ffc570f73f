// What the overlay draws, and where.
#include "apps/overlay.h"

#include <catch2/catch.hpp>
#include <string>

#include "apps/drawing.h"
#include "apps/test_picture.h"

namespace {

using namespace sln::apps;

Image grey(int width, int height) {
  Image image;
  image.width = width;
  image.height = height;
  image.rgb.assign(size_t{3} * static_cast<size_t>(width) * static_cast<size_t>(height), 128);
  return image;
}

// COCO's compressed code of a rectangle.
std::string rectangle_rle(int x0, int y0, int x1, int y1, int width, int height) {
  std::vector<long long> runs;
  for (int x = x0; x < x1; ++x) {
    if (x == x0) runs.push_back(1LL * x * height + y0);
    runs.push_back(y1 - y0);
    runs.push_back(x + 1 < x1 ? height - (y1 - y0) : 1LL * (width - x) * height - y1);
  }
  std::string code;
  for (size_t i = 0; i < runs.size(); ++i) {
    long long value = i > 2 ? runs[i] - runs[i - 2] : runs[i];
    for (bool more = true; more;) {
      long long bits = value & 31;
      value >>= 5;
      more = (bits & 16) != 0 ? value != -1 : value != 0;
      if (more) bits |= 32;
      code += static_cast<char>(bits + 48);
    }
  }
  return code;
}

Color pixel(const Image& image, int x, int y) {
  const uint8_t* p =
      &image.rgb[3 * (static_cast<size_t>(y) * static_cast<size_t>(image.width) + static_cast<size_t>(x))];
  return {p[0], p[1], p[2]};
}
bool same(Color a, Color b) {
  return a.r == b.r && a.g == b.g && a.b == b.b;
}
bool is_grey(Color c) {
  return c.r == 128 && c.g == 128 && c.b == 128;
}

// Object 0, whole at (100..200, 100..220); object 1 at (160..300, 140..260), hidden where 0 is.
Scene two_objects(int width, int height) {
  Scene scene;
  scene.width = width;
  scene.height = height;
  scene.objects.resize(2);
  scene.objects[0].amodal_rle = scene.objects[0].visible_rle = rectangle_rle(100, 100, 200, 220, width, height);
  scene.objects[1].amodal_rle = rectangle_rle(160, 140, 300, 260, width, height);
  scene.objects[1].visible_rle = rectangle_rle(200, 140, 300, 260, width, height);
  scene.objects[0].depth = 1;
  scene.objects[1].depth = 2;
  return scene;
}

}  // namespace

TEST_CASE("Outlines have the object's colour, the outside stays") {
  Image image = grey(640, 480);
  draw_overlay(&image, two_objects(640, 480), false);
  CHECK(same(pixel(image, 100, 110), distinct_color(0)));
  CHECK(same(pixel(image, 299, 250), distinct_color(1)));
  // The front object's outline lies over the other; the hidden outline of the object behind is drawn as well.
  CHECK(same(pixel(image, 199, 180), distinct_color(0)));
  CHECK(same(pixel(image, 160, 180), distinct_color(1)));
  CHECK(is_grey(pixel(image, 50, 50)));
  CHECK(is_grey(pixel(image, 99, 150)));
  CHECK(is_grey(pixel(image, 300, 200)));
}

TEST_CASE("The visible part is tinted evenly, the hidden part is striped") {
  Image image = grey(640, 480);
  draw_overlay(&image, two_objects(640, 480), false);
  CHECK(same(pixel(image, 110, 110), pixel(image, 150, 120)));
  CHECK(!is_grey(pixel(image, 110, 110)));
  int changes = 0;
  for (int x = 166; x < 194; ++x) changes += !same(pixel(image, x, 150), pixel(image, x + 1, 150)) ? 1 : 0;
  CHECK(changes >= 3);
}

TEST_CASE("Untrained weights are announced, and only then") {
  Image plain = grey(640, 480), marked = grey(640, 480);
  draw_overlay(&plain, two_objects(640, 480), false);
  draw_overlay(&marked, two_objects(640, 480), true);
  CHECK(is_grey(pixel(plain, 1, 1)));
  CHECK(same(pixel(marked, 1, 1), {200, 0, 0}));
  int white = 0;
  for (int y = 0; y < 20; ++y) {
    for (int x = 0; x < 220; ++x) white += same(pixel(marked, x, y), {255, 255, 255}) ? 1 : 0;
  }
  CHECK(white > 400);
}

TEST_CASE("Images of every shape can be drawn on") {
  for (const auto& [width, height] :
       std::vector<std::pair<int, int>>{{1, 1}, {30, 2000}, {2000, 30}, {64, 64}, {7, 5}, {1600, 1200}}) {
    Image image = grey(width, height);
    Scene scene;
    scene.width = width;
    scene.height = height;
    scene.objects.resize(2);
    scene.objects[0].amodal_rle = scene.objects[0].visible_rle = rectangle_rle(0, 0, width, height, width, height);
    scene.objects[1].amodal_rle = rectangle_rle(0, 0, (width + 1) / 2, height, width, height);
    scene.objects[1].visible_rle = rectangle_rle(0, 0, 0, 0, width, height);  // nothing visible
    std::string zeros;
    for (long long value = 1LL * width * height, more = 1; more != 0;) {
      long long bits = value & 31;
      value >>= 5;
      more = (bits & 16) != 0 ? value != -1 : value != 0;
      zeros += static_cast<char>((more != 0 ? bits | 32 : bits) + 48);
    }
    scene.objects[1].visible_rle = zeros;
    scene.objects[0].depth = 2;
    scene.objects[1].depth = 1;
    INFO(width << " x " << height);
    CHECK_NOTHROW(draw_overlay(&image, scene, true));
    CHECK(image.rgb.size() == size_t{3} * static_cast<size_t>(width) * static_cast<size_t>(height));
  }
}

TEST_CASE("Drawing is clipped and colours differ") {
  Image image = grey(8, 8);
  fill_rectangle(&image, -5, -5, 100, 7, {1, 2, 3}, 256);
  CHECK(same(pixel(image, 0, 1), {1, 2, 3}));
  CHECK(is_grey(pixel(image, 0, 2)));
  draw_text(&image, 5, 5, "W:1", 3, {9, 9, 9});
  blend(&image, 100, 100, {0, 0, 0}, 256);
  for (int i = 0; i < 100; ++i) {
    for (int j = 0; j < i; ++j) {
      INFO(i << " and " << j);
      CHECK(!same(distinct_color(i), distinct_color(j)));
    }
  }
  CHECK(text_width("12", 2) == 22);
}

TEST_CASE("The test picture is the same every time and not flat") {
  const Image a = draw_test_picture(96), b = draw_test_picture(96);
  CHECK(a.rgb == b.rgb);
  CHECK(*std::max_element(a.rgb.begin(), a.rgb.end()) - *std::min_element(a.rgb.begin(), a.rgb.end()) > 150);
}
