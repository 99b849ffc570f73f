// Boxes in continuous canvas coordinates. Every product and sum is rounded by itself, as PyTorch does on tensors: a
// fused one would move a corner by an ulp and with it, at a tie, a keep decision.
#pragma once

#include "kernels/hd.h"
#include "kernels/math/activation.h"

namespace sln {

struct Box {
  float x0, y0, x1, y1;  // canvas pixels
};

struct Anchor {
  float cx, cy, w, h;  // canvas pixels
};

constexpr float kMaxLogScale = 4.135166556742356f;  // ln(1000/16): a side grows at most 62.5 times

// Applies the RPN's deltas. NaN deltas give NaN coordinates.
SLN_HD inline Box decode_anchor(const Anchor& anchor, float dx, float dy, float dw, float dh) {
  const float cx = anchor.cx + dx * anchor.w;
  const float cy = anchor.cy + dy * anchor.h;
  const float half_w = 0.5f * (anchor.w * exp(dw > kMaxLogScale ? kMaxLogScale : dw));
  const float half_h = 0.5f * (anchor.h * exp(dh > kMaxLogScale ? kMaxLogScale : dh));
  return {cx - half_w, cy - half_h, cx + half_w, cy + half_h};
}

// x within [0, limit]; NaN stays NaN.
SLN_HD inline float clip_coordinate(float x, float limit) {
  const float above = x < 0.0f ? 0.0f : x;
  return above > limit ? limit : above;
}

SLN_HD inline Box clip_box(const Box& box, float side) {
  return {clip_coordinate(box.x0, side), clip_coordinate(box.y0, side), clip_coordinate(box.x1, side),
          clip_coordinate(box.y1, side)};
}

// True where both sides are at least min_side. A box with a NaN coordinate is never large enough.
SLN_HD inline bool large_enough(const Box& box, float min_side) {
  return box.x1 - box.x0 >= min_side && box.y1 - box.y0 >= min_side;
}

}  // namespace sln
