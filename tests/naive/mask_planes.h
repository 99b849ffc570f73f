// The planes of masks by the functions of kernels/math.
#pragma once

#include <cstdint>

#include "kernels/mask_planes.h"
#include "kernels/math/activation.h"
#include "kernels/math/semdist.h"

namespace sln_naive {

inline void run(const sln::MaskPlanesOp& op) {
  const int64_t cells = op.pixels_per_item;
  for (int64_t i = 0; i < op.items.count() * cells; ++i) {
    const float* const logits = op.logits + i * op.stride;
    float* const planes = op.layers + i / cells * (op.masks + 1) * cells + i % cells;
    const float amodal = sln::sigmoid(logits[0]);
    planes[0] = 1.0f - amodal;
    planes[cells] = amodal;
    if (op.masks == 2) {
      const float visible = sln::sigmoid(logits[1]);
      planes[cells] = amodal * visible;
      planes[2 * cells] = amodal * (1.0f - visible);
    }
    op.confidence[i] = sln::confidence(planes[0]);
    op.level[i] = op.masks == 2 && logits[1] < 0.0f ? 1 : 0;
  }
}

}  // namespace sln_naive
