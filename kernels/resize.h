// Photo to canvas: PyTorch's interpolate(mode='bilinear', antialias=True, align_corners=False), then (x - mean)/std
// (network description, 1).
#pragma once

#include <cstddef>
#include <cstdint>

namespace sln {

struct ResizeParams {
  const uint8_t* pixels = nullptr;  // (height, row_bytes), RGB interleaved, 0..255
  int width = 0;                    // image pixels
  int height = 0;                   // image pixels
  ptrdiff_t row_bytes = 0;          // bytes from row to row, >= 3 * width
  float* canvas = nullptr;    // (side, side, 4): R, G, B normalised, fourth channel 0; rows >= h and columns >= w are 0
  int side = 0;               // S
  int scaled_width = 0;       // w
  int scaled_height = 0;      // h
  float mean[3] = {0, 0, 0};  // grey levels
  float std[3] = {1, 1, 1};   // grey levels
  void* workspace = nullptr;  // resize_workspace_bytes(side, pool.threads()), 64-byte aligned
};

namespace cpu {
class ThreadPool;
// Workspace for any image: it depends on the canvas alone, so a larger photo needs no more memory.
size_t resize_workspace_bytes(int side, int threads);
void resize_to_canvas(const ResizeParams& params, ThreadPool& pool);
}  // namespace cpu
}  // namespace sln
