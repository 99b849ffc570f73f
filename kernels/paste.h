// Reading an object's layer planes on a pixel grid (network description, 9).
//
// A plane is read bilinearly, x first, in fp32: lerp of math/bilinear.h along x on both plane rows, then along y. With
// p_k the value of plane k, C = clamp(1 - p_0, 0, 1 - 2^-10) and L = argmax over p_1..p_K, minus 1, lowest on ties.
#pragma once

#include <cstddef>
#include <cstdint>

namespace sln {

// One object on one grid (the canvas or the original image).
struct PasteObject {
  const float* layers = nullptr;  // (K+1, P, P)
  int channels = 0;               // K+1, 2..16
  int side = 0;                   // P
  float box[4] = {0, 0, 0, 0};    // x0 y0 x1 y1 on this grid, pixels
  int grid_w = 0;                 // pixels
  int grid_h = 0;                 // pixels
  float threshold = 0.5f;         // c
};

// The pixels of the object's window: columns [x_begin, x_end), rows [y_begin, y_end), centres inside of the box, on the
// grid. Without a pixel all four are 0.
struct PasteWindow {
  int x_begin = 0, x_end = 0, y_begin = 0, y_end = 0;
};

// One row of the grid on the planes' y axis.
struct PasteRow {
  int lo = 0, hi = 0;  // plane rows, 0..P-1
  float t = 0;         // value = lerp(row lo, row hi, t)
  int cell_end = 0;    // first row of the window after this one that has another lo; y_end for the last cell
};

// A place where the code changes in a column of pixels: `code` holds from row y on, down to the next change.
struct PasteChange {
  int32_t y = 0;
  int32_t code = 0;  // level 0..K-1 or kPasteOutside
};

constexpr uint8_t kPasteOutside = 0xFF;  // code of a pixel with C <= c
constexpr int kPasteStrip = 16;          // columns that paste_strip reads at once

namespace cpu {

PasteWindow paste_window(const PasteObject& object);

// Fills rows (y_end - y_begin) of the window.
void paste_rows(const PasteObject& object, const PasteWindow& window, PasteRow* rows);

// Floats of workspace that paste_prepare fills for windows of at most `max_width` columns.
size_t paste_workspace_floats(int channels, int side, int max_width);

// Interpolates all P rows of all planes along x for every column of the window: columns (channels, P, x_end - x_begin
// rounded up to 16). The window may be wider than the object's: what lies beside the box reads the planes' border.
void paste_prepare(const PasteObject& object, const PasteWindow& window, float* columns);

// Reads one row of the window. confidence gets C, code gets the level 0..K-1 where C > c and kPasteOutside elsewhere;
// both hold x_end - x_begin elements rounded up to 16.
void paste_row(const PasteObject& object, const PasteWindow& window, const float* columns, const PasteRow& row,
               float* confidence, uint8_t* code);

// Reads columns [x, min(x + 16, x_end)) of the window from top to bottom. changes (16, y_end - y_begin + 1) gets per
// column where the code differs from the pixel above (kPasteOutside above the window and below it), counts (16) how
// often. columns is workspace of paste_workspace_floats(channels, side, 16).
void paste_strip(const PasteObject& object, const PasteWindow& window, const PasteRow* rows, int x, float* columns,
                 PasteChange* changes, int* counts);

}  // namespace cpu
}  // namespace sln
