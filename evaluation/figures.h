// From tallies to figures: COCO's accumulation, and sums.
#pragma once

#include <array>
#include <optional>

#include "evaluation/tally.h"

namespace sln::evaluation {

enum Figure : size_t {
  kAP,
  kAP50,
  kAP75,
  kAR1,
  kAR10,
  kAR100,
  kAR1000,
  kARN,
  kARP,
  kARH,
  kOrderAccuracy,
  kOrderCoverage,
  kOrderAccuracyDecided,
  kBestIou,
  kBestIouOccluded,
  kHiddenIou,
  kFigures
};
// Keys of the JSON report.
constexpr std::array<const char*, kFigures> kFigureKeys = {"AP",
                                                           "AP50",
                                                           "AP75",
                                                           "AR1",
                                                           "AR10",
                                                           "AR100",
                                                           "AR1000",
                                                           "ARN",
                                                           "ARP",
                                                           "ARH",
                                                           "order_accuracy",
                                                           "order_coverage",
                                                           "order_accuracy_decided",
                                                           "best_iou",
                                                           "best_iou_occluded",
                                                           "hidden_iou"};

// nullopt: not defined (no pair, no region, no level masks ...). Figures of AP and AR without a positive are -1.
using Figures = std::array<std::optional<double>, kFigures>;

// The detections of all images by falling score (equal ones in the order of images and within an image), ready to be
// accumulated again and again with other weights.
class Ranking {
 public:
  Ranking(const std::vector<ImageTally>& tallies, size_t subset_count);

  struct Precision {
    double ap = -1, ap50 = -1, ap75 = -1;
  };
  // weights: how often each image counts. cell: index into ImageTally::cells.
  Precision precision(const std::vector<int>& weights, size_t cell) const;

 private:
  struct Entry {
    uint32_t image;
    MatchBits bits;
  };
  std::vector<std::vector<Entry>> cells_;
  std::vector<std::vector<int64_t>> positives_;  // (cells, images); 0 where the image does not count
};

// part / whole; not defined for a whole of 0.
template <typename Count>
std::optional<double> ratio(Count part, int64_t whole) {
  if (whole == 0) return std::nullopt;
  return static_cast<double>(part) / static_cast<double>(whole);
}

// AR at kDetectionLimits[limit]; -1 without a positive.
double average_recall(const std::vector<ImageTally>& tallies, const std::vector<int>& weights, size_t cell, int limit);

struct Sums {
  OrderCounts order, slight;
  Completion best, best_occluded, hidden;
  int64_t regions = 0, occluded = 0, detections = 0;
};
Sums sums_of(const std::vector<ImageTally>& tallies, const std::vector<int>& weights);

// What of the figures the results and options allow.
struct Available {
  bool order = true;   // level masks are there
  bool hidden = true;  // visible masks are there
  bool ar1000 = false;
};

Figures figures_of(const std::vector<ImageTally>& tallies, const Ranking& ranking, const std::vector<int>& weights,
                   const Available& available);

}  // namespace sln::evaluation
