// Pooling, NHWC float32. Max: from -inf on, in (row, column) order, `a > b ? a : b` of the largest so far and the next
// value, so a NaN lasts until the next one. Average: the sum in (row, column) order, one chain of additions from the
// first value, then multiplied by 1/(kernel*kernel).
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/buffers.h"

namespace sln {

enum class PoolKind : uint8_t { kMax, kAverage };

struct PoolOp {
  PoolKind kind = PoolKind::kMax;
  const float* src = nullptr;  // (in_h, in_w, src_stride)
  int in_h = 0;                // pixels
  int in_w = 0;                // pixels
  int src_stride = 0;          // floats from pixel to pixel
  int channels = 0;            // channels pooled; ceil16(channels) are written, the rest of them as 0
  float* dst = nullptr;        // (out_h, out_w, dst_stride)
  int out_h = 0;               // pixels
  int out_w = 0;               // pixels
  int dst_stride = 0;          // floats from pixel to pixel, >= ceil16(channels)
  int kernel = 1;              // side of the window, pixels
  int stride = 1;              // pixels
  int pad = 0;                 // before the map; padding counts as -inf for max, must be 0 for average
};

template <typename Visit>
void each_buffer(PoolOp& op, const Visit& visit) {
  visit(op.src, Rows{{1}, int64_t{op.in_h} * op.in_w, op.channels, op.src_stride});
  visit(op.dst, Rows{{1}, int64_t{op.out_h} * op.out_w, ceil16(op.channels), op.dst_stride});
}

namespace cpu {
void run(const PoolOp& op, void* scratch, ThreadPool& pool);
}  // namespace cpu
}  // namespace sln
