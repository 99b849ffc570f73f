// The triangle filter of PyTorch's interpolate(mode='bilinear', antialias=True, align_corners=False) along one axis.
// Which intermediate is float and which is double follows PyTorch's CPU code for float tensors: in double throughout,
// the filter's place on a 4000 pixel wide photo would differ by 1e-4 pixels, which is 1e-2 grey levels at a sharp edge.
#pragma once

#include <cstdint>

#include "kernels/hd.h"

namespace sln {

struct TriangleFilter {
  int size;             // input pixels
  float scale;          // input pixels per output pixel
  float support;        // half the filter's width, input pixels: widened when shrinking
  float inverse_scale;  // 1/scale when shrinking, else 1
};

// The input pixels [begin, end) that one output pixel reads.
struct TriangleTaps {
  int begin;
  int end;
  float center;  // input pixels
  float total;   // sum of the weights before they are normalised
};

SLN_HD inline TriangleFilter triangle_filter(int size, int output_size) {
  const float scale = static_cast<float>(size) / static_cast<float>(output_size);
  const bool shrinks = scale >= 1.0f;
  return {size, scale, shrinks ? scale : 1.0f, shrinks ? static_cast<float>(1.0 / static_cast<double>(scale)) : 1.0f};
}

// Weight of input pixel `index` before normalisation.
SLN_HD inline float triangle_value(const TriangleFilter& filter, float center, int index) {
  const double distance = static_cast<double>(static_cast<float>(index) - center) + 0.5;
  const float x = static_cast<float>(distance * static_cast<double>(filter.inverse_scale));
  const float magnitude = x < 0.0f ? -x : x;
  return magnitude < 1.0f ? 1.0f - magnitude : 0.0f;
}

SLN_HD inline TriangleTaps triangle_taps(const TriangleFilter& filter, int output_index) {
  const float center = static_cast<float>(static_cast<double>(filter.scale) * (output_index + 0.5));
  const double low = static_cast<double>(center - filter.support) + 0.5;
  const double high = static_cast<double>(center + filter.support) + 0.5;
  const int first = static_cast<int>(low);
  const int last = static_cast<int>(high);
  TriangleTaps taps = {first > 0 ? first : 0, last < filter.size ? last : filter.size, center, 0.0f};
  for (int i = taps.begin; i < taps.end; ++i) taps.total += triangle_value(filter, center, i);
  return taps;
}

SLN_HD inline float triangle_weight(const TriangleFilter& filter, const TriangleTaps& taps, int index) {
  return triangle_value(filter, taps.center, index) / taps.total;
}

}  // namespace sln
