// From layer planes to objects: scores, suppression, masks on the image grid, depth order (network description, 9).
#pragma once

#include <cstdint>
#include <memory>

#include "engine/decode_options.h"
#include "engine/result.h"
#include "kernels/cpu/parallel.h"

namespace sln {

struct DecodeInput {
  int count = 0;                      // n, proposals in use
  const float* boxes = nullptr;       // (n, 4) canvas pixels
  const float* objectness = nullptr;  // (n) sigmoid of the RPN's logit
  const int32_t* anchors = nullptr;   // (n) flat anchor index
  const float* layers = nullptr;      // (n, K+1, P, P) refined probabilities
  const float* confidence = nullptr;  // (n, P, P) C at the RoI cells
  int levels = 0;                     // K
  int roi_side = 0;                   // P
  int image_w = 0, image_h = 0;       // image, pixels
  int scaled_w = 0, scaled_h = 0;     // the image's part of the canvas, pixels
  DecodeOptions options;
};

// Scratch that grows to the largest image seen and is then reused. One per engine.
class DecodeWorkspace {
 public:
  DecodeWorkspace();
  ~DecodeWorkspace();
  struct State;
  State& state() { return *state_; }

 private:
  std::unique_ptr<State> state_;
};

// Fills result anew, reusing its memory. The canvas grid of this stage is the image's part of it, scaled_w x scaled_h.
void decode(const DecodeInput& input, DecodeWorkspace& workspace, cpu::ThreadPool& pool, Result& result);

}  // namespace sln
