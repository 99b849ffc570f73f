// RoIAlign as ONNX RoiAlign-16 with half_pixel, average, sampling_ratio 2 (network description, 6).
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/buffers.h"

namespace sln {

struct RoiAlignOp {
  const float* src = nullptr;    // (h, w, src_stride)
  int h = 0;                     // pixels of the map
  int w = 0;                     // pixels of the map
  int src_stride = 0;            // floats from pixel to pixel
  int channels = 0;              // channels sampled; ceil16(channels) are written, the rest of them as 0
  const float* boxes = nullptr;  // (N, 4) x0 y0 x1 y1, canvas pixels
  Items items;                   // N, boxes; none is valid
  float scale = 0.25f;           // map pixels per canvas pixel
  int side = 0;                  // P
  float* dst = nullptr;          // (N, P, P, dst_stride)
  int dst_stride = 0;            // floats, >= ceil16(channels)
};

template <typename Visit>
void each_buffer(RoiAlignOp& op, const Visit& visit) {
  visit_used(op.items, visit);
  visit(op.src, Rows{{1}, int64_t{op.h} * op.w, op.channels, op.src_stride});
  visit(op.boxes, Rows{op.items, 1, 4, 4});
  visit(op.dst, Rows{op.items, int64_t{op.side} * op.side, ceil16(op.channels), op.dst_stride});
}

namespace cpu {
void run(const RoiAlignOp& op, void* scratch, ThreadPool& pool);
}  // namespace cpu
}  // namespace sln
