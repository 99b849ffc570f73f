#include "importer/anchors.h"

#include <algorithm>
#include <cmath>

namespace sln::importer {

std::vector<std::array<float, 4>> make_anchors(const Config& config) {
  std::vector<std::array<double, 2>> sizes;
  for (const double ratio : config.anchor_ratios)
    for (const double scale : config.anchor_scales) {
      const double q = scale * config.side;
      sizes.push_back({q / std::sqrt(ratio), q * std::sqrt(ratio)});
    }
  std::vector<std::array<float, 4>> anchors;
  const double t = config.rpn_stride;
  for (int y = 0; y < config.grid(); ++y)
    for (int x = 0; x < config.grid(); ++x)
      for (const auto& size : sizes)
        anchors.push_back({static_cast<float>(t * x + t / 2), static_cast<float>(t * y + t / 2),
                           static_cast<float>(size[0]), static_cast<float>(size[1])});
  return anchors;
}

double max_log_scale() {
  return std::log(1000.0 / 16.0);
}

std::array<double, 4> decode_box(const std::array<float, 4>& anchor, const std::array<double, 4>& deltas, double side) {
  std::array<double, 4> box{};
  for (size_t axis = 0; axis < 2; ++axis) {
    const double size = static_cast<double>(anchor[axis + 2]);
    const double centre = static_cast<double>(anchor[axis]) + deltas[axis] * size;
    const double half = 0.5 * size * std::exp(std::min(deltas[axis + 2], max_log_scale()));
    box[axis] = std::min(std::max(centre - half, 0.0), side);
    box[axis + 2] = std::min(std::max(centre + half, 0.0), side);
  }
  return box;
}

double box_iou(const std::array<double, 4>& a, const std::array<double, 4>& b) {
  const double width = std::max(std::min(a[2], b[2]) - std::max(a[0], b[0]), 0.0);
  const double height = std::max(std::min(a[3], b[3]) - std::max(a[1], b[1]), 0.0);
  const double both = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - width * height;
  return both > 0 ? width * height / both : 0.0;
}

}  // namespace sln::importer
