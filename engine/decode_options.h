// How planes become objects: what a user may set of decode.
#pragma once

#include <cstdint>

namespace sln {

enum class ScoreMode : uint8_t { kMask, kObjectness };

struct DecodeOptions {
  double mask_threshold = 0.5;  // c
  double mask_nms = 0.6;        // suppressed where (double)inter/union > mask_nms; 1 turns it off
  double visible_overlap = 1;   // dropped where kept ones show more of the visible part; 1 turns it off
  ScoreMode score_mode = ScoreMode::kMask;
  bool level_masks = false;  // also fill the objects' levels

  float threshold() const { return static_cast<float>(mask_threshold); }
};

}  // namespace sln
