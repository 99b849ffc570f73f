// RoIAlign as ONNX RoiAlign-16 with half_pixel, average, sampling_ratio 2 (network description, 6).
#pragma once

#include <cstdint>

namespace sln {

struct RoiAlignParams {
  const float* src = nullptr;    // (h, w, src_stride)
  int h = 0;                     // pixels of the map
  int w = 0;                     // pixels of the map
  int src_stride = 0;            // floats from pixel to pixel
  int channels = 0;              // channels sampled; ceil16(channels) are written, the rest of them as 0
  const float* boxes = nullptr;  // (count, 4) x0 y0 x1 y1, canvas pixels
  int count = 0;                 // boxes; 0 is valid
  float scale = 0.25f;           // map pixels per canvas pixel
  int side = 0;                  // P
  float* dst = nullptr;          // (count, P, P, dst_stride)
  int dst_stride = 0;            // floats, >= ceil16(channels)
};

namespace cpu {
class ThreadPool;
void roi_align(const RoiAlignParams& params, ThreadPool& pool);
}  // namespace cpu
}  // namespace sln
