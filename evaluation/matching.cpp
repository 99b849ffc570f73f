#include "evaluation/matching.h"

#include <algorithm>

namespace sln::evaluation {

IouMatrix iou_matrix(const std::vector<const Mask*>& detections, const std::vector<const Mask*>& regions,
                     const std::vector<uint8_t>& crowd) {
  IouMatrix ious;
  ious.detections = detections.size();
  ious.regions = regions.size();
  ious.values.reserve(detections.size() * regions.size());
  for (const Mask* detection : detections) {
    for (size_t r = 0; r < regions.size(); ++r) {
      const int64_t common =
          detection == nullptr || regions[r] == nullptr ? 0 : intersection_area(*detection, *regions[r]);
      if (common == 0) {
        ious.values.push_back(0);
        continue;
      }
      const int64_t whole = crowd[r] != 0 ? detection->area : detection->area + regions[r]->area - common;
      ious.values.push_back(static_cast<double>(common) / static_cast<double>(whole));
    }
  }
  return ious;
}

std::vector<MatchBits> match(const IouMatrix& ious, const std::vector<uint8_t>& ignored,
                             const std::vector<uint8_t>& crowd) {
  std::vector<size_t> order(ious.regions);
  for (size_t r = 0; r < order.size(); ++r) order[r] = r;
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return ignored[a] < ignored[b]; });
  std::vector<MatchBits> bits(ious.detections);
  std::vector<uint8_t> taken(ious.regions);
  for (int t = 0; t < kThresholds; ++t) {
    const auto bit = static_cast<uint16_t>(1 << t);
    std::fill(taken.begin(), taken.end(), uint8_t{0});
    for (size_t d = 0; d < ious.detections; ++d) {
      double best = std::min(kIouThresholds[t], 1 - 1e-10);
      size_t found = ious.regions;
      for (const size_t r : order) {
        if (taken[r] != 0 && crowd[r] == 0) continue;
        if (found != ious.regions && ignored[found] == 0 && ignored[r] != 0) break;
        if (ious.at(d, r) < best) continue;
        best = ious.at(d, r);
        found = r;
      }
      if (found == ious.regions) continue;
      taken[found] = 1;
      bits[d].matched = static_cast<uint16_t>(bits[d].matched | bit);
      if (ignored[found] != 0) bits[d].ignored = static_cast<uint16_t>(bits[d].ignored | bit);
    }
  }
  return bits;
}

}  // namespace sln::evaluation
