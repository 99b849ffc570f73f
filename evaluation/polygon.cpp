#include "evaluation/polygon.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>

namespace sln::evaluation {
namespace {

constexpr int kScale = 5;

// Conversion to int cuts towards zero, also below it: that is part of the rule.
int rounded(double value) {
  return static_cast<int>(value + 0.5);
}

struct Point {
  int x = 0, y = 0;  // fifths of a pixel
};

// Takes the points of the boundary one after the other and keeps the positions where a column's mask changes.
class Boundary {
 public:
  Boundary(int width, int height, std::vector<uint32_t>& changes) : width_(width), height_(height), changes_(changes) {}

  void add(Point point) {
    if (started_ && point.x != last_.x) change(point);
    last_ = point;
    started_ = true;
  }

 private:
  void change(Point point) {
    const double column = ((point.x < last_.x ? point.x : point.x - 1) + 0.5) / kScale - 0.5;
    if (std::floor(column) != column || column < 0 || column > width_ - 1) return;
    const double row = (std::min(point.y, last_.y) + 0.5) / kScale - 0.5;
    const double y = std::ceil(std::min(std::max(row, 0.0), static_cast<double>(height_)));
    changes_.push_back(static_cast<uint32_t>(static_cast<int64_t>(column) * height_ + static_cast<int64_t>(y)));
  }

  int width_, height_;
  std::vector<uint32_t>& changes_;
  Point last_;
  bool started_ = false;
};

// The points of one edge, both ends included, in order. An edge is walked from its lesser end on the major axis, so
// that it has the same points in both directions.
void walk(Point from, Point to, Boundary& boundary) {
  const int dx = std::abs(to.x - from.x);
  const int dy = std::abs(to.y - from.y);
  const bool along_x = dx >= dy;
  const int steps = along_x ? dx : dy;
  const bool flip = along_x ? from.x > to.x : from.y > to.y;
  const Point start = flip ? to : from;
  const Point end = flip ? from : to;
  if (steps == 0) {
    boundary.add(start);
    return;
  }
  const double slope = along_x ? static_cast<double>(end.y - start.y) / dx : static_cast<double>(end.x - start.x) / dy;
  for (int i = 0; i <= steps; ++i) {
    const int t = flip ? steps - i : i;
    Point point;
    point.x = along_x ? t + start.x : rounded(start.x + slope * t);
    point.y = along_x ? rounded(start.y + slope * t) : t + start.y;
    boundary.add(point);
  }
}

}  // namespace

Mask rasterise_polygon(const std::vector<double>& xy, int width, int height) {
  std::vector<uint32_t> changes;
  Boundary boundary(width, height, changes);
  const size_t count = xy.size() / 2;
  const auto vertex = [&](size_t i) { return Point{rounded(kScale * xy[2 * i]), rounded(kScale * xy[2 * i + 1])}; };
  for (size_t i = 0; i < count; ++i) walk(vertex(i), vertex((i + 1) % count), boundary);
  std::sort(changes.begin(), changes.end());
  // An odd number of changes, where the outline left the grid in between, leaves the mask set to the last pixel.
  if (changes.size() % 2 != 0) changes.push_back(static_cast<uint32_t>(int64_t{width} * height));
  std::vector<Span> spans;
  for (size_t i = 0; i + 1 < changes.size(); i += 2) spans.push_back({changes[i], changes[i + 1]});
  return mask_of_spans(spans, width, height);
}

}  // namespace sln::evaluation
