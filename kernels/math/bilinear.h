// Reading a map between its pixels.
#pragma once

#include <cmath>

#include "kernels/hd.h"

namespace sln {

// a at t = 0, b at t = 1.
SLN_HD inline float lerp(float a, float b, float t) {
  return std::fmaf(t, b - a, a);
}

// Two neighbours on one axis and the place between them: value = lerp(map[lo], map[hi], t).
struct Taps {
  int lo;   // index, 0..size-1
  int hi;   // lo + 1, or lo at the last index
  float t;  // 0..1
};

// Taps of the pixel index `position` (0 = the centre of the first pixel), clamped to [0, size-1]. NaN reads index 0.
SLN_HD inline Taps clamped_taps(float position, int size) {
  const float last = static_cast<float>(size - 1);
  const float below = position < last ? position : last;
  const float clamped = position > 0.0f ? below : 0.0f;
  const int lo = static_cast<int>(clamped);
  const int hi = lo + 1 < size ? lo + 1 : lo;
  return {lo, hi, clamped - static_cast<float>(lo)};
}

// Where the centre of output pixel `index` lies on the source, as a pixel index; ratio = source size / output size.
// Plain multiplication and subtraction: PyTorch and ONNX Runtime do not fuse them.
SLN_HD inline float half_pixel(int index, float ratio) {
  return (static_cast<float>(index) + 0.5f) * ratio - 0.5f;
}

// One coordinate of a RoIAlign sample. Outside of [-1, size] the sample is 0 as a whole.
struct RoiTaps {
  int lo;           // index
  int hi;           // index
  float weight_lo;  // 1 - t
  float weight_hi;  // t
  bool inside;
};

SLN_HD inline RoiTaps roi_taps(float position, int size) {
  if (!(position >= -1.0f && position <= static_cast<float>(size))) return {0, 0, 0.0f, 0.0f, false};
  const Taps taps = clamped_taps(position, size);
  return {taps.lo, taps.hi, 1.0f - taps.t, taps.t, true};
}

// Position of sample `sample` (of `samples`) in bin `bin` (of `bins`) of the RoI from `begin` to `end` on one axis,
// canvas pixels; scale = map pixels per canvas pixel. The order of operations is ONNX Runtime's; nothing is fused.
SLN_HD inline float roi_sample_position(float begin, float end, float scale, int bin, int bins, int sample,
                                        int samples) {
  const float first = begin * scale - 0.5f;
  const float last = end * scale - 0.5f;
  const float bin_size = (last - first) / static_cast<float>(bins);
  const float offset = (static_cast<float>(sample) + 0.5f) * bin_size / static_cast<float>(samples);
  return first + static_cast<float>(bin) * bin_size + offset;
}

}  // namespace sln
