// Polygons to masks, exactly as COCO does it.
#pragma once

#include <vector>

#include "evaluation/mask.h"

namespace sln::evaluation {

constexpr double kMaxCoordinate =
    1e5;  // pixels, either sign, of a polygon's vertex: its edges are walked pixel by pixel

// xy: x0 y0 x1 y1 ... in pixels, at least three vertices, closed by itself, |coordinates| <= kMaxCoordinate.
//
// The rule: vertices are scaled by 5 and rounded; each edge is walked along its major axis; where x changes on a pixel
// column of the original grid, the lower of the two y, clamped and rounded up, is where the column's mask changes; runs
// come from the sorted positions.
Mask rasterise_polygon(const std::vector<double>& xy, int width, int height);

}  // namespace sln::evaluation
