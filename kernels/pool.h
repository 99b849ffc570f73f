// Pooling, NHWC float32.
#pragma once

namespace sln {

struct PoolParams {
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

namespace cpu {
class ThreadPool;
void max_pool(const PoolParams& params, ThreadPool& pool);
// Sum in (row, column) order, each sum one chain of additions from the first value, then multiplied by
// 1/(kernel*kernel).
void average_pool(const PoolParams& params, ThreadPool& pool);
}  // namespace cpu
}  // namespace sln
