// Between planes (NCHW, as PyTorch and ONNX have them) and pixels (NHWC, as the kernels have them).
#pragma once

namespace sln {

struct CanvasPlanesParams {
  const float* planes = nullptr;  // (3, side, side)
  float* canvas = nullptr;        // (side, side, 4), the fourth channel is set to 0
  int side = 0;                   // S
};

namespace cpu {
class ThreadPool;
void canvas_from_planes(const CanvasPlanesParams& params, ThreadPool& pool);
}  // namespace cpu
}  // namespace sln
