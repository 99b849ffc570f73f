// Colours, rectangles and text in an image. Everything is clipped to it.
#pragma once

#include <cstdint>
#include <string>

#include "apps/image_io.h"

namespace sln::apps {

struct Color {
  uint8_t r = 0, g = 0, b = 0;
};

// Colours that differ well for neighbouring numbers: hues a golden angle apart.
Color distinct_color(int number);
// Black or white, whichever is read better on it.
Color contrast(Color color);

// Mixes the pixel with color; alpha 0 leaves it, 256 replaces it.
void blend(Image* image, int x, int y, Color color, int alpha);
void fill_rectangle(Image* image, int x, int y, int width, int height, Color color, int alpha);

// Glyphs are 5 x 7 dots with one dot between them; a dot is scale x scale pixels. Letters are capitals; characters
// without a glyph are blank.
constexpr int kGlyphRows = 7;
int text_width(const std::string& line, int scale);
void draw_text(Image* image, int x, int y, const std::string& line, int scale, Color color);

}  // namespace sln::apps
