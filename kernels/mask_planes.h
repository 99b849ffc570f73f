// The planes of a network that predicts masks instead of levels: one logit per cell for the amodal mask and, with two
// masks, one for what of it is visible.
//
// a, v: the logits; pa = sigmoid(a), pv = sigmoid(v) (math/activation.h). One mask: planes 1 - pa, pa, level 0. Two
// masks: planes 1 - pa, pa * pv, pa * (1 - pv); level 1 where v < 0, else 0. confidence = clamp(plane 0 from 1, 0,
// 1 - 2^-10) as in math/semdist.h.
#pragma once

#include <cstdint>

namespace sln {

struct MaskPlanesParams {
  const float* logits = nullptr;  // (pixels, stride)
  int64_t pixels = 0;             // a multiple of pixels_per_roi
  int stride = 0;                 // floats
  int masks = 1;                  // 1 or 2
  float* layers = nullptr;        // (rois, masks + 1, P*P): planes, as decode reads them
  int pixels_per_roi = 0;         // P*P
  float* confidence = nullptr;    // (pixels)
  uint8_t* level = nullptr;       // (pixels), 0 or 1
};

namespace cpu {
class ThreadPool;
void mask_planes(const MaskPlanesParams& params, ThreadPool& pool);
}  // namespace cpu
}  // namespace sln
