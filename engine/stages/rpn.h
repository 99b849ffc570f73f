// RPN: features (and global layers) -> objectness logits and box deltas per anchor (network description, 4).
#pragma once

#include <vector>

#include "engine/stages/glm.h"

namespace sln {

struct RpnMaps {
  Map objectness;  // (1, g, g, A) logits
  Map deltas;      // (1, g, g, 4A) dx, dy, dw, dh of anchor a in channels 4a..4a+3
};

// src: the context channels, F and, where the network has it, G: (1, S/4, S/4).
RpnMaps rpn(Context& context, const RpnLayers& layers, const MapView& src);

// (g*g*A, 4) cx, cy, w, h in canvas pixels, computed in double: cell (x, y) has its centre at t*(x + 1/2), anchor
// a = ratio_index * n_scales + scale_index has width q/sqrt(r) and height q*sqrt(r); flat index (y*g + x)*A + a.
std::vector<float> make_anchors(const Config& config);

}  // namespace sln
