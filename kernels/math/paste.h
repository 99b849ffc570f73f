// Where a pixel of a grid lies on an object's layer planes.
#pragma once

#include "kernels/hd.h"
#include "kernels/math/bilinear.h"

namespace sln {

// Taps of pixel `pixel` on one axis of `side` cells that span [begin, end) on the grid; end > begin. Every operation is
// rounded by itself.
SLN_HD inline Taps paste_taps(int pixel, float begin, float end, int side) {
  const float centre = static_cast<float>(pixel) + 0.5f;
  return clamped_taps((centre - begin) / (end - begin) * static_cast<float>(side) - 0.5f, side);
}

}  // namespace sln
