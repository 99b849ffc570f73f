#include "apps/test_picture.h"

#include <algorithm>
#include <cstdint>

#include "apps/drawing.h"

namespace sln::apps {
namespace {

// A linear congruential generator; the upper bits are the good ones.
struct Random {
  uint32_t state = 12345;
  int below(int limit) {
    state = state * 1664525u + 1013904223u;
    return static_cast<int>((uint64_t{state >> 8} * static_cast<uint64_t>(limit)) >> 24);
  }
};

void fill_disc(Image* image, int cx, int cy, int radius, Color color) {
  for (int y = std::max(0, cy - radius); y < std::min(image->height, cy + radius); ++y) {
    for (int x = std::max(0, cx - radius); x < std::min(image->width, cx + radius); ++x) {
      if ((x - cx) * (x - cx) + (y - cy) * (y - cy) < radius * radius) blend(image, x, y, color, 256);
    }
  }
}

}  // namespace

Image draw_test_picture(int side) {
  Image image;
  image.width = image.height = side;
  image.rgb.resize(size_t{3} * static_cast<size_t>(side) * static_cast<size_t>(side));
  Random random;
  for (int y = 0; y < side; ++y) {
    for (int x = 0; x < side; ++x) {
      const int shade = 60 + 100 * (x + y) / (2 * side) + random.below(24);
      const uint8_t level = static_cast<uint8_t>(shade);
      blend(&image, x, y, {level, level, static_cast<uint8_t>(level / 2 + 64)}, 256);
    }
  }
  constexpr int kShapes = 24;
  for (int i = 0; i < kShapes; ++i) {
    const int size = side / 24 + random.below(side / 6 + 1);
    const int x = random.below(side), y = random.below(side);
    const Color color = {static_cast<uint8_t>(random.below(256)), static_cast<uint8_t>(random.below(256)),
                         static_cast<uint8_t>(random.below(256))};
    if (i % 2 == 0) {
      fill_disc(&image, x, y, size, color);
    } else {
      fill_rectangle(&image, x - size, y - size / 2, 2 * size, size, color, 256);
    }
  }
  return image;
}

}  // namespace sln::apps
