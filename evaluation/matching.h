// Which detection is which region: per image and IoU threshold, greedy by score (the published rule).
#pragma once

#include <cstdint>
#include <vector>

#include "evaluation/mask.h"

namespace sln::evaluation {

constexpr int kThresholds = 10;
// The ten doubles of numpy.linspace(.5, .95, 10): one of them is not the nearest to its decimal.
constexpr double kIouThresholds[kThresholds] = {0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.8999999999999999, 0.95};

// IoU of every detection with every region.
struct IouMatrix {
  size_t detections = 0, regions = 0;
  std::vector<double> values;  // (detections, regions)
  double at(size_t detection, size_t region) const { return values[detection * regions + region]; }
};

// A null mask has IoU 0 with everything. crowd[r] != 0: pixels in both over the detection's.
IouMatrix iou_matrix(const std::vector<const Mask*>& detections, const std::vector<const Mask*>& regions,
                     const std::vector<uint8_t>& crowd);

// One bit per threshold, the lowest for the first.
struct MatchBits {
  uint16_t matched = 0;
  uint16_t ignored = 0;  // matched to an ignored region
};

// Detections by falling score. ignored, crowd: per region, 0 or 1; a crowd may be matched more than once.
//
// Per threshold t the regions are looked at with those not ignored first. For each detection in order, best begins at
// min(t, 1 - 1e-10); a region that is already matched is skipped; where the best so far is not ignored and this region
// is, the search ends; one with a lower IoU than best is skipped; any other becomes the best, so that the last of equal
// ones is taken.
std::vector<MatchBits> match(const IouMatrix& ious, const std::vector<uint8_t>& ignored,
                             const std::vector<uint8_t>& crowd);

}  // namespace sln::evaluation
