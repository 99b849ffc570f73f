// The planes of a network that predicts masks instead of levels: one logit per cell for the amodal mask and, with two
// masks, one for what of it is visible.
//
// a, v: the logits; pa = sigmoid(a), pv = sigmoid(v) (math/activation.h). One mask: planes 1 - pa, pa, level 0. Two
// masks: planes 1 - pa, pa * pv, pa * (1 - pv); level 1 where v < 0, else 0. confidence = clamp(plane 0 from 1, 0,
// 1 - 2^-10) as in math/semdist.h.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/buffers.h"

namespace sln {

struct MaskPlanesOp {
  const float* logits = nullptr;  // (N, pixels_per_item, stride)
  Items items;                    // N, RoIs
  int pixels_per_item = 0;        // P*P
  int stride = 0;                 // floats
  int masks = 1;                  // 1 or 2
  float* layers = nullptr;        // (N, masks + 1, P*P): planes, as decode reads them
  float* confidence = nullptr;    // (N, P*P)
  uint8_t* level = nullptr;       // (N, P*P), 0 or 1
};

template <typename Visit>
void each_buffer(MaskPlanesOp& op, const Visit& visit) {
  const int64_t cells = op.pixels_per_item;
  visit_used(op.items, visit);
  visit(op.logits, Rows{op.items, cells, op.masks, op.stride});
  visit(op.layers, Rows{op.items, 1, cells * (op.masks + 1), cells * (op.masks + 1)});
  visit(op.confidence, Rows{op.items, 1, cells, cells});
  visit(op.level, Rows{op.items, 1, cells, cells});
}

namespace cpu {
void run(const MaskPlanesOp& op, void* scratch, ThreadPool& pool);
}  // namespace cpu
}  // namespace sln
