// Elementwise ops around the layer planes: softmax, the expected sem-dist map (Eq. 1), and the final planes.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/buffers.h"

namespace sln {

// Softmax over `channels` (<= 16) values per pixel, max subtracted first, own exp (math/activation.h), sum in channel
// order.
struct SoftmaxOp {
  const float* src = nullptr;  // (N, pixels_per_item, src_stride) logits
  Items items;                 // N
  int pixels_per_item = 0;
  int src_stride = 0;    // floats
  int channels = 0;      // K+1
  float* dst = nullptr;  // (N, pixels_per_item, dst_stride) probabilities; only `channels` (+ zero_pad) floats are
                         // written per pixel
  int dst_stride = 0;    // floats
  int zero_pad = 0;      // floats set to 0 after the last channel
  float* semdist =
      nullptr;  // (N, pixels_per_item, semdist_stride) or null: sum over l of (1 - l) * p[1+l], one fmaf chain from 0
  int semdist_stride = 0;  // floats
};

template <typename Visit>
void each_buffer(SoftmaxOp& op, const Visit& visit) {
  visit_used(op.items, visit);
  visit(op.src, Rows{op.items, op.pixels_per_item, op.channels, op.src_stride});
  visit(op.dst, Rows{op.items, op.pixels_per_item, int64_t{op.channels} + op.zero_pad, op.dst_stride});
  if (op.semdist != nullptr) visit(op.semdist, Rows{op.items, op.pixels_per_item, 1, op.semdist_stride});
}

// Refinement: logits = ilm + residual (ilm alone where residual is null); layers = softmax(logits); confidence =
// clamp(1 - layers[0], 0, 1 - 2^-10); level = argmax over logits[1..K] - 1, lowest on ties.
struct RefineOp {
  const float* ilm_logits = nullptr;  // (N, pixels_per_item, logits_stride)
  const float* residual = nullptr;    // (N, pixels_per_item, logits_stride) or null
  Items items;                        // N, RoIs
  int pixels_per_item = 0;            // P*P
  int logits_stride = 0;              // floats
  int channels = 0;                   // K+1
  float* layers = nullptr;            // (N, K+1, P*P): planes, as decode reads them
  float* confidence = nullptr;        // (N, P*P)
  uint8_t* level = nullptr;           // (N, P*P), 0..K-1
};

template <typename Visit>
void each_buffer(RefineOp& op, const Visit& visit) {
  const int64_t cells = op.pixels_per_item;
  visit_used(op.items, visit);
  visit(op.ilm_logits, Rows{op.items, cells, op.channels, op.logits_stride});
  if (op.residual != nullptr) visit(op.residual, Rows{op.items, cells, op.channels, op.logits_stride});
  visit(op.layers, Rows{op.items, 1, cells * op.channels, cells * op.channels});
  visit(op.confidence, Rows{op.items, 1, cells, cells});
  visit(op.level, Rows{op.items, 1, cells, cells});
}

namespace cpu {
void run(const SoftmaxOp& op, void* scratch, ThreadPool& pool);
void run(const RefineOp& op, void* scratch, ThreadPool& pool);
}  // namespace cpu
}  // namespace sln
