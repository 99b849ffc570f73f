// Anchors and the decoding of boxes, in the importer's own words.
#pragma once

#include <array>
#include <vector>

#include "engine/config.h"

namespace sln::importer {

// Rows (cx, cy, w, h) in canvas pixels, number (y*g + x)*A + a, a = ratio index * scales + scale index; computed in
// double, rounded to float32.
std::vector<std::array<float, 4>> make_anchors(const Config& config);

// Largest dw and dh that a box may grow by: ln(1000/16).
double max_log_scale();

// Box (x0, y0, x1, y1) of one anchor and its deltas (dx, dy, dw, dh), clipped to [0, side].
std::array<double, 4> decode_box(const std::array<float, 4>& anchor, const std::array<double, 4>& deltas, double side);

// Intersection over union, 0 for an empty union.
double box_iou(const std::array<double, 4>& a, const std::array<double, 4>& b);

}  // namespace sln::importer
