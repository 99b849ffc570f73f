// Between planes (NCHW, as PyTorch and ONNX have them) and pixels (NHWC, as the kernels have them).
#pragma once

#include <cstddef>

#include "kernels/buffers.h"

namespace sln {

struct CanvasFromPlanesOp {
  const float* planes = nullptr;  // (3, side, side), in the host's memory
  float* canvas = nullptr;        // (side, side, 4), the fourth channel is set to 0
  int side = 0;                   // S
};

template <typename Visit>
void each_buffer(CanvasFromPlanesOp& op, const Visit& visit) {
  const int64_t floats = int64_t{4} * op.side * op.side;
  visit(op.canvas, Rows{{1}, 1, floats, floats});
}

namespace cpu {
void run(const CanvasFromPlanesOp& op, void* scratch, ThreadPool& pool);
}  // namespace cpu
}  // namespace sln
