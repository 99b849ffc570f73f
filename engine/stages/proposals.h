// Proposals: RPN maps -> boxes (network description, 5).
#pragma once

#include <vector>

#include "engine/stages/rpn.h"

namespace sln {

struct Boxes {
  Buffer boxes;         // (N, 4) x0 y0 x1 y1, canvas pixels
  Buffer scores;        // (N) objectness, sigmoid of the logit
  Buffer anchor_index;  // (N) int32, flat anchor index
  Buffer count_slot;    // (1) int32, on the device
  int count = 0;        // boxes in use, on the host
};

// anchors: make_anchors(config). score_threshold: objectness below which a box ends here.
Boxes proposals(Context& context, const std::vector<float>& anchors, float score_threshold, const RpnMaps& maps);

}  // namespace sln
