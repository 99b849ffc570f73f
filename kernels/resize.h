// Photo to canvas: PyTorch's interpolate(mode='bilinear', antialias=True, align_corners=False), then (x - mean)/std
// (network description, 1).
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/buffers.h"

namespace sln {

struct ResizeOp {
  const uint8_t* pixels = nullptr;  // (height, row_bytes), RGB interleaved, 0..255, in the host's memory
  int width = 0;                    // image pixels
  int height = 0;                   // image pixels
  ptrdiff_t row_bytes = 0;          // bytes from row to row, >= 3 * width
  float* canvas = nullptr;    // (side, side, 4): R, G, B normalised, fourth channel 0; rows >= h and columns >= w are 0
  int side = 0;               // S
  int scaled_width = 0;       // w
  int scaled_height = 0;      // h
  float mean[3] = {0, 0, 0};  // grey levels
  float std[3] = {1, 1, 1};   // grey levels
};

template <typename Visit>
void each_buffer(ResizeOp& op, const Visit& visit) {
  const int64_t floats = int64_t{4} * op.side * op.side;
  visit(op.canvas, Rows{{1}, 1, floats, floats});
}

namespace cpu {
// Allocates nothing.
void run(const ResizeOp& op, void* scratch, ThreadPool& pool);
// For any image: it depends on the canvas alone, so a larger photo needs no more memory.
size_t scratch_bytes(const ResizeOp& op, int threads);
}  // namespace cpu
}  // namespace sln
