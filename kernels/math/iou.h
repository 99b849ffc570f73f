// Overlap of two boxes, fp32, nothing fused (as in box.h).
#pragma once

#include "kernels/hd.h"
#include "kernels/math/box.h"

namespace sln {

// Square canvas pixels.
SLN_HD inline float area(const Box& box) {
  return (box.x1 - box.x0) * (box.y1 - box.y0);
}

SLN_HD inline float intersection_area(const Box& a, const Box& b) {
  const float x0 = a.x0 > b.x0 ? a.x0 : b.x0;
  const float y0 = a.y0 > b.y0 ? a.y0 : b.y0;
  const float x1 = a.x1 < b.x1 ? a.x1 : b.x1;
  const float y1 = a.y1 < b.y1 ? a.y1 : b.y1;
  const float w = x1 - x0 > 0.0f ? x1 - x0 : 0.0f;
  const float h = y1 - y0 > 0.0f ? y1 - y0 : 0.0f;
  return w * h;
}

// Intersection over union; 0 for an empty union. Symmetric: iou(a, b) == iou(b, a) bit for bit.
SLN_HD inline float iou(const Box& a, float area_a, const Box& b, float area_b) {
  const float intersection = intersection_area(a, b);
  const float union_area = area_a + area_b - intersection;
  return union_area > 0.0f ? intersection / union_area : 0.0f;
}

}  // namespace sln
