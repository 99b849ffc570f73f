// Reading an object's layer planes on a pixel grid (network description, 9).
#pragma once

#include <cstddef>
#include <cstdint>

namespace sln {

// One object on one grid (the canvas or the original image).
struct PasteObject {
  const float* layers = nullptr;  // (K+1, P, P)
  int channels = 0;               // K+1
  int side = 0;                   // P
  float box[4] = {0, 0, 0, 0};    // x0 y0 x1 y1 on this grid, pixels
  int grid_w = 0;                 // pixels
  int grid_h = 0;                 // pixels
  float threshold = 0.5f;         // c
};

// The pixels of the object's window: columns [x_begin, x_end), rows [y_begin, y_end), centres inside of the box, on the grid.
struct PasteWindow {
  int x_begin = 0, x_end = 0, y_begin = 0, y_end = 0;
};

constexpr uint8_t kPasteOutside = 0xFF;  // code of a pixel with C <= c

namespace cpu {

PasteWindow paste_window(const PasteObject& object);

// Floats of workspace that paste_prepare fills for windows of at most `max_width` columns.
size_t paste_workspace_floats(int channels, int side, int max_width);

// Interpolates all P rows of all planes along x for every column of the window: columns (channels, P, x_end - x_begin
// rounded up to 16).
void paste_prepare(const PasteObject& object, const PasteWindow& window, float* columns);

// Reads row y of the window. confidence (may be null) gets C, code (may be null) gets the level 0..K-1 where C > c and
// kPasteOutside elsewhere; both hold x_end - x_begin elements rounded up to 16.
void paste_row(const PasteObject& object, const PasteWindow& window, const float* columns, int y, float* confidence,
               uint8_t* code);

}  // namespace cpu
}  // namespace sln
