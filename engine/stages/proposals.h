// Proposals: RPN maps -> boxes (network description, 5).
#pragma once

#include "engine/stages/found.h"
#include "engine/stages/rpn.h"

namespace sln {

// In the memory of what is found.
struct Boxes {
  const float* boxes = nullptr;           // (N, 4) x0 y0 x1 y1, canvas pixels
  const float* scores = nullptr;          // (N) objectness, sigmoid of the logit
  const int32_t* anchor_index = nullptr;  // (N) flat anchor index
  Items items;                            // those in use
};

// anchors: make_anchors(config), on the device. score_threshold: objectness below which a box ends here. Writes count,
// boxes, scores and anchor_index of out.
Boxes proposals(Context& context, const float* anchors, float score_threshold, const RpnMaps& maps, Found out);

}  // namespace sln
