// Objects on the canvas grid as rows of bits: what suppression and depth order compare (network description, 9).
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/paste.h"

namespace sln {

// One object. A word holds 64 pixels of a row, the lowest bit the leftmost; word w starts at column 64 * w of the grid,
// so that the words of two objects lie over each other. Bits outside of the window are 0.
struct MaskBits {
  PasteWindow window;          // pixels
  int word_begin = 0;          // first word of a row
  int word_end = 0;            // one past the last word of a row
  int level_bits = 0;          // planes that hold a level
  int side = 0;                // P
  uint64_t* planes = nullptr;  // (2 + level_bits, rows, words): C > c; C > c*c; bits of L, lowest first, 0 where C <= c
  float* not_object = nullptr;  // (P, 64 * words): plane 0 of the layers, read along x
  PasteRow* rows = nullptr;     // (rows)
  int64_t area = 0;             // pixels with C > c
};

// Omega and the sign of R = L_B - L_A on it, one row of two objects.
struct MaskOrderRow {
  const MaskBits* a = nullptr;
  const MaskBits* b = nullptr;
  int y = 0;           // a row of both windows
  int word_begin = 0;  // words of both objects
  int word_end = 0;
  float threshold = 0.5f;       // c
  uint64_t* a_front = nullptr;  // (word_end - word_begin) R > 0
  uint64_t* b_front = nullptr;  // (word_end - word_begin) R < 0
};

// Pixels of an object with C > c and L = 0.
struct VisiblePixels {
  int64_t count = 0;
  int64_t claimed = 0;  // those of them that a bitmap of the grid has set
};

namespace cpu {

// Sets window, words, level_bits and side; the rest is the caller's to allot (zero words where the window is empty).
void mask_bits_shape(const PasteObject& object, MaskBits& mask);

size_t mask_bits_planes_words(const MaskBits& mask);
size_t mask_bits_not_object_floats(const MaskBits& mask);
// Floats of workspace of mask_bits_fill.
size_t mask_bits_workspace_floats(const PasteObject& object, const MaskBits& mask);

// Fills planes, not_object, rows and area.
void mask_bits_fill(const PasteObject& object, MaskBits& mask, float* workspace);

// Pixels with C > c in both, and whether there is one.
int64_t mask_bits_intersection(const MaskBits& a, const MaskBits& b);
bool mask_bits_intersect(const MaskBits& a, const MaskBits& b);

// claimed: a bitmap of the grid of at least mask.window.y_end rows, `stride` words each, at least mask.word_end.
VisiblePixels mask_bits_visible(const MaskBits& mask, const uint64_t* claimed, size_t stride);
// Sets the object's pixels with C > c and L = 0 in it.
void mask_bits_claim(const MaskBits& mask, uint64_t* claimed, size_t stride);

// Returns the pixels of Omega in the row: C_A * C_B > c*c, in fp32.
int64_t mask_bits_order_row(const MaskOrderRow& row);

}  // namespace cpu
}  // namespace sln
