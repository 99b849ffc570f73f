// Elementwise ops around the layer planes: softmax, the expected sem-dist map (Eq. 1), and the final planes.
#pragma once

#include <cstdint>

namespace sln {

// Softmax over `channels` (<= 16) values per pixel, max subtracted first, own exp (math/activation.h), sum in channel
// order.
struct SoftmaxParams {
  const float* src = nullptr;  // (pixels, src_stride) logits
  int64_t pixels = 0;
  int src_stride = 0;  // floats
  int channels = 0;    // K+1
  float* dst =
      nullptr;         // (pixels, dst_stride) probabilities; only `channels` (+ zero_pad) floats are written per pixel
  int dst_stride = 0;  // floats
  int zero_pad = 0;    // floats set to 0 after the last channel
  float* semdist = nullptr;  // (pixels, semdist_stride) or null: sum over l of (1 - l) * p[1+l], one fmaf chain from 0
  int semdist_stride = 0;    // floats
};

// Refinement: logits = ilm + residual (ilm alone where residual is null); layers = softmax(logits); confidence =
// clamp(1 - layers[0], 0, 1 - 2^-10); level = argmax over logits[1..K] - 1, lowest on ties.
struct RefineParams {
  const float* ilm_logits = nullptr;  // (pixels, logits_stride)
  const float* residual = nullptr;    // (pixels, logits_stride) or null
  int64_t pixels = 0;
  int logits_stride = 0;        // floats
  int channels = 0;             // K+1
  float* layers = nullptr;      // (rois, K+1, P*P): planes, as decode reads them
  int pixels_per_roi = 0;       // P*P; pixels is a multiple of it
  float* confidence = nullptr;  // (pixels)
  uint8_t* level = nullptr;     // (pixels), 0..K-1
};

namespace cpu {
class ThreadPool;
void softmax(const SoftmaxParams& params, ThreadPool& pool);
void refine_planes(const RefineParams& params, ThreadPool& pool);
}  // namespace cpu
}  // namespace sln
