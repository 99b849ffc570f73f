#include "evaluation/figures.h"

#include <algorithm>

namespace sln::evaluation {
namespace {

constexpr int kRecalls = 101;  // 0, 0.01 ... 1
constexpr double kRecallStep = 0.01;
constexpr double kTiny = 2.2e-16;  // added to the number of detections

struct Point {
  double recall = 0, precision = 0;
};

// Mean over the recalls of the best precision at that recall or beyond, 0 beyond the last. points: those where the
// recall rises, ascending; between them the precision only falls, so that no others are needed.
double sampled_precision(std::vector<Point>& points) {
  for (size_t i = points.size(); i-- > 1;) {
    points[i - 1].precision = std::max(points[i - 1].precision, points[i].precision);
  }
  double sum = 0;
  size_t at = 0;
  for (int r = 0; r < kRecalls; ++r) {
    while (at < points.size() && points[at].recall < r * kRecallStep) ++at;
    if (at < points.size()) sum += points[at].precision;
  }
  return sum / kRecalls;
}

int64_t positives_of(const std::vector<ImageTally>& tallies, const std::vector<int>& weights, size_t cell) {
  int64_t positives = 0;
  for (size_t i = 0; i < tallies.size(); ++i) {
    if (tallies[i].counts) positives += weights[i] * tallies[i].cells[cell].positives;
  }
  return positives;
}

std::optional<double> mean(const Completion& completion) {
  return ratio(completion.sum, completion.count);
}

void add(OrderCounts& sum, const OrderCounts& counts, int weight) {
  sum.pairs += weight * counts.pairs;
  sum.decided += weight * counts.decided;
  sum.right += weight * counts.right;
  sum.right_by_paper += weight * counts.right_by_paper;
}

void add(Completion& sum, const Completion& completion, int weight) {
  sum.sum += weight * completion.sum;
  sum.count += weight * completion.count;
}

}  // namespace

Ranking::Ranking(const std::vector<ImageTally>& tallies, size_t subset_count) {
  struct Place {
    double score;
    uint32_t image, detection;
  };
  std::vector<Place> places;
  for (size_t i = 0; i < tallies.size(); ++i) {
    for (size_t d = 0; d < tallies[i].scores.size(); ++d) {
      places.push_back({tallies[i].scores[d], static_cast<uint32_t>(i), static_cast<uint32_t>(d)});
    }
  }
  std::stable_sort(places.begin(), places.end(), [](const Place& a, const Place& b) { return a.score > b.score; });
  cells_.resize(subset_count * kBins);
  positives_.resize(cells_.size());
  for (size_t c = 0; c < cells_.size(); ++c) {
    for (const ImageTally& tally : tallies) positives_[c].push_back(tally.counts ? tally.cells[c].positives : 0);
    cells_[c].reserve(places.size());
    for (const Place& place : places) {
      cells_[c].push_back({place.image, tallies[place.image].cells[c].bits[place.detection]});
    }
  }
}

Ranking::Precision Ranking::precision(const std::vector<int>& weights, size_t cell) const {
  Precision result;
  int64_t positives = 0;
  for (size_t i = 0; i < weights.size(); ++i) positives += weights[i] * positives_[cell][i];
  if (positives == 0) return result;
  const auto npig = static_cast<double>(positives);
  double sum = 0;
  std::vector<Point> points;
  for (int t = 0; t < kThresholds; ++t) {
    points.clear();
    int64_t right = 0, wrong = 0;
    for (const Entry& entry : cells_[cell]) {
      const int weight = weights[entry.image];
      if (weight == 0 || (entry.bits.ignored >> t & 1) != 0) continue;
      if ((entry.bits.matched >> t & 1) == 0) {
        wrong += weight;
        continue;
      }
      right += weight;
      const auto tp = static_cast<double>(right);
      points.push_back({tp / npig, tp / (tp + static_cast<double>(wrong) + kTiny)});
    }
    const double average = sampled_precision(points);
    sum += average;
    if (t == 0) result.ap50 = average;
    if (t == 5) result.ap75 = average;
  }
  result.ap = sum / kThresholds;
  return result;
}

double average_recall(const std::vector<ImageTally>& tallies, const std::vector<int>& weights, size_t cell, int limit) {
  const int64_t positives = positives_of(tallies, weights, cell);
  if (positives == 0) return -1;
  double sum = 0;
  for (int t = 0; t < kThresholds; ++t) {
    int64_t found = 0;
    for (size_t i = 0; i < tallies.size(); ++i) found += weights[i] * tallies[i].cells[cell].found[limit][t];
    sum += static_cast<double>(found) / static_cast<double>(positives);
  }
  return sum / kThresholds;
}

Sums sums_of(const std::vector<ImageTally>& tallies, const std::vector<int>& weights) {
  Sums sums;
  for (size_t i = 0; i < tallies.size(); ++i) {
    const ImageTally& tally = tallies[i];
    add(sums.order, tally.order, weights[i]);
    add(sums.slight, tally.slight, weights[i]);
    add(sums.best, tally.best, weights[i]);
    add(sums.best_occluded, tally.best_occluded, weights[i]);
    add(sums.hidden, tally.hidden, weights[i]);
    sums.regions += weights[i] * tally.regions;
    sums.occluded += weights[i] * tally.occluded;
    sums.detections += weights[i] * tally.detections;
  }
  return sums;
}

Figures figures_of(const std::vector<ImageTally>& tallies, const Ranking& ranking, const std::vector<int>& weights,
                   const Available& available) {
  Figures figures;
  const Ranking::Precision precision = ranking.precision(weights, 0);
  figures[kAP] = precision.ap;
  figures[kAP50] = precision.ap50;
  figures[kAP75] = precision.ap75;
  figures[kAR1] = average_recall(tallies, weights, 0, 0);
  figures[kAR10] = average_recall(tallies, weights, 0, 1);
  figures[kAR100] = average_recall(tallies, weights, 0, 2);
  if (available.ar1000) figures[kAR1000] = average_recall(tallies, weights, 0, 3);
  figures[kARN] = average_recall(tallies, weights, 1, 2);
  figures[kARP] = average_recall(tallies, weights, 2, 2);
  figures[kARH] = average_recall(tallies, weights, 3, 2);
  const Sums sums = sums_of(tallies, weights);
  if (available.order) {
    figures[kOrderAccuracy] = ratio(sums.order.right, sums.order.pairs);
    figures[kOrderCoverage] = ratio(sums.order.decided, sums.order.pairs);
    figures[kOrderAccuracyDecided] = ratio(sums.order.right, sums.order.decided);
  }
  figures[kBestIou] = mean(sums.best);
  figures[kBestIouOccluded] = mean(sums.best_occluded);
  if (available.hidden) figures[kHiddenIou] = mean(sums.hidden);
  return figures;
}

}  // namespace sln::evaluation
