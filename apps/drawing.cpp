#include "apps/drawing.h"

#include <algorithm>
#include <array>
#include <cmath>

namespace sln::apps {
namespace {

constexpr int kGlyphColumns = 5;

struct Glyph {
  char character;
  const char* dots;  // rows from top to bottom
};

constexpr Glyph kGlyphs[] = {
    {'0', "01110 10001 10011 10101 11001 10001 01110"}, {'1', "00100 01100 00100 00100 00100 00100 01110"},
    {'2', "01110 10001 00001 00110 01000 10000 11111"}, {'3', "11110 00001 00001 01110 00001 00001 11110"},
    {'4', "00010 00110 01010 10010 11111 00010 00010"}, {'5', "11111 10000 11110 00001 00001 10001 01110"},
    {'6', "00110 01000 10000 11110 10001 10001 01110"}, {'7', "11111 00001 00010 00100 00100 01000 01000"},
    {'8', "01110 10001 10001 01110 10001 10001 01110"}, {'9', "01110 10001 10001 01111 00001 00010 01100"},
    {'A', "00100 01010 10001 10001 11111 10001 10001"}, {'B', "11110 10001 10001 11110 10001 10001 11110"},
    {'C', "01110 10001 10000 10000 10000 10001 01110"}, {'D', "11100 10010 10001 10001 10001 10010 11100"},
    {'E', "11111 10000 10000 11110 10000 10000 11111"}, {'F', "11111 10000 10000 11110 10000 10000 10000"},
    {'G', "01110 10001 10000 10111 10001 10001 01111"}, {'H', "10001 10001 10001 11111 10001 10001 10001"},
    {'I', "01110 00100 00100 00100 00100 00100 01110"}, {'J', "00111 00010 00010 00010 00010 10010 01100"},
    {'K', "10001 10010 10100 11000 10100 10010 10001"}, {'L', "10000 10000 10000 10000 10000 10000 11111"},
    {'M', "10001 11011 10101 10101 10001 10001 10001"}, {'N', "10001 11001 10101 10011 10001 10001 10001"},
    {'O', "01110 10001 10001 10001 10001 10001 01110"}, {'P', "11110 10001 10001 11110 10000 10000 10000"},
    {'Q', "01110 10001 10001 10001 10101 10010 01101"}, {'R', "11110 10001 10001 11110 10100 10010 10001"},
    {'S', "01111 10000 10000 01110 00001 00001 11110"}, {'T', "11111 00100 00100 00100 00100 00100 00100"},
    {'U', "10001 10001 10001 10001 10001 10001 01110"}, {'V', "10001 10001 10001 10001 01010 01010 00100"},
    {'W', "10001 10001 10001 10101 10101 11011 10001"}, {'X', "10001 01010 00100 00100 00100 01010 10001"},
    {'Y', "10001 10001 01010 00100 00100 00100 00100"}, {'Z', "11111 00001 00010 00100 01000 10000 11111"},
    {'=', "00000 00000 11111 00000 11111 00000 00000"}, {':', "00000 00100 00100 00000 00100 00100 00000"},
    {'.', "00000 00000 00000 00000 00000 01100 01100"}, {'-', "00000 00000 00000 11111 00000 00000 00000"},
};

const char* dots_of(char character) {
  if (character >= 'a' && character <= 'z') character = static_cast<char>(character - 'a' + 'A');
  for (const Glyph& glyph : kGlyphs) {
    if (glyph.character == character) return glyph.dots;
  }
  return nullptr;
}

uint8_t to_byte(double unit) {
  return static_cast<uint8_t>(std::floor(unit * 255 + 0.5));
}

}  // namespace

Color distinct_color(int number) {
  const double hue = std::fmod(number * 137.50776405, 360.0) / 60.0;
  const double saturation = number % 3 == 1 ? 0.62 : 0.88;
  const double value = number % 2 == 1 ? 0.86 : 1.0;
  const auto channel = [&](double shift) {  // the piecewise linear form of HSV
    const double k = std::fmod(shift + hue, 6.0);
    return to_byte(value - value * saturation * std::clamp(std::min(k, 4.0 - k), 0.0, 1.0));
  };
  return {channel(5), channel(3), channel(1)};
}

Color contrast(Color color) {
  const int luma = (299 * color.r + 587 * color.g + 114 * color.b) / 1000;
  return luma > 128 ? Color{0, 0, 0} : Color{255, 255, 255};
}

void blend(Image* image, int x, int y, Color color, int alpha) {
  if (x < 0 || y < 0 || x >= image->width || y >= image->height) return;
  uint8_t* pixel =
      &image->rgb[3 * (static_cast<size_t>(y) * static_cast<size_t>(image->width) + static_cast<size_t>(x))];
  const std::array<uint8_t, 3> paint = {color.r, color.g, color.b};
  for (size_t c = 0; c < 3; ++c)
    pixel[c] = static_cast<uint8_t>((pixel[c] * (256 - alpha) + paint[c] * alpha + 128) >> 8);
}

void fill_rectangle(Image* image, int x, int y, int width, int height, Color color, int alpha) {
  for (int py = std::max(y, 0); py < std::min(y + height, image->height); ++py) {
    for (int px = std::max(x, 0); px < std::min(x + width, image->width); ++px) blend(image, px, py, color, alpha);
  }
}

int text_width(const std::string& line, int scale) {
  return line.empty() ? 0 : (static_cast<int>(line.size()) * (kGlyphColumns + 1) - 1) * scale;
}

void draw_text(Image* image, int x, int y, const std::string& line, int scale, Color color) {
  for (char character : line) {
    if (const char* dots = dots_of(character)) {
      for (int row = 0; row < kGlyphRows; ++row) {
        for (int column = 0; column < kGlyphColumns; ++column) {
          if (dots[row * (kGlyphColumns + 1) + column] != '1') continue;
          fill_rectangle(image, x + column * scale, y + row * scale, scale, scale, color, 256);
        }
      }
    }
    x += (kGlyphColumns + 1) * scale;
  }
}

}  // namespace sln::apps
