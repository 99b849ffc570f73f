// The canvas from its planes.
#pragma once

#include <cstdint>

#include "kernels/planes.h"

namespace sln_naive {

inline void run(const sln::CanvasFromPlanesOp& op) {
  const int64_t pixels = int64_t{op.side} * op.side;
  for (int64_t i = 0; i < 4 * pixels; ++i) op.canvas[i] = i % 4 < 3 ? op.planes[i % 4 * pixels + i / 4] : 0.0f;
}

}  // namespace sln_naive
