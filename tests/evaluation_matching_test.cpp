// Matching, accumulation and depth order on cases worked out by hand.
#include "evaluation/matching.h"

#include <algorithm>
#include <catch2/catch.hpp>

#include "evaluation/bootstrap.h"
#include "evaluation/level_order.h"

namespace {

using namespace sln::evaluation;

IouMatrix matrix(size_t regions, const std::vector<double>& values) {
  IouMatrix ious;
  ious.regions = regions;
  ious.detections = values.size() / regions;
  ious.values = values;
  return ious;
}

// Thresholds passed, as a count of bits from the lowest.
int passed(uint16_t bits) {
  int count = 0;
  while ((bits >> count & 1) != 0) ++count;
  REQUIRE(bits == (1 << count) - 1);
  return count;
}

// A mask drawn as rows of text.
Mask drawn(const std::vector<std::string>& rows, char what) {
  const int height = static_cast<int>(rows.size()), width = static_cast<int>(rows[0].size());
  std::vector<Span> spans;
  for (int x = 0; x < width; ++x) {
    for (int y = 0; y < height; ++y) {
      const auto at = static_cast<uint32_t>(x * height + y);
      if (rows[static_cast<size_t>(y)][static_cast<size_t>(x)] == what) spans.push_back({at, at + 1});
    }
  }
  return mask_of_spans(spans, width, height);
}

std::vector<Mask> levels(const std::vector<std::string>& rows) {
  return {drawn(rows, '0'), drawn(rows, '1'), drawn(rows, '2')};
}

}  // namespace

TEST_CASE("a detection is matched where its IoU reaches the threshold") {
  for (int t = 0; t < kThresholds; ++t) {
    const std::vector<MatchBits> bits = match(matrix(1, {kIouThresholds[t]}), {0}, {0});
    CHECK(passed(bits[0].matched) == t + 1);
    CHECK(bits[0].ignored == 0);
  }
  CHECK(match(matrix(1, {0.4999999}), {0}, {0})[0].matched == 0);
  CHECK(match(matrix(1, {1}), {0}, {0})[0].matched == 1023);
}

TEST_CASE("a region is matched once, by the detection of the higher score") {
  const std::vector<MatchBits> bits = match(matrix(1, {0.7, 0.9}), {0}, {0});
  CHECK(passed(bits[0].matched) == 5);
  CHECK(bits[1].matched == (1023 & ~31 & ~512));  // only where the first one fails
}

TEST_CASE("of equal IoUs the last region is taken, and regions that count come before those ignored") {
  // Two regions alike: the first detection takes the second of them, the next one the first.
  std::vector<MatchBits> bits = match(matrix(2, {0.8, 0.8, 0.8, 0.5}), {0, 0}, {0, 0});
  CHECK(passed(bits[0].matched) == 7);
  CHECK(passed(bits[1].matched) == 7);
  // A better one that is ignored is not looked at once one that counts is found.
  bits = match(matrix(2, {0.95, 0.6}), {1, 0}, {0, 0});
  CHECK(passed(bits[0].matched) == 10);
  CHECK(bits[0].ignored == (1023 & ~7));  // from 0.65 on only the ignored one is left
}

TEST_CASE("a crowd takes any number of detections, all of them ignored") {
  const std::vector<MatchBits> bits = match(matrix(1, {0.9, 0.9, 0.9}), {1}, {1});
  for (const MatchBits& one : bits) {
    CHECK(passed(one.matched) == 9);
    CHECK(one.ignored == one.matched);
  }
  const Mask whole = drawn({"00", "00"}, '0'), half = drawn({"0.", "0."}, '0');
  CHECK(iou_matrix({&half}, {&whole, &whole}, {0, 1}).values == std::vector<double>{0.5, 1});
}

TEST_CASE("average precision of three detections and two regions") {
  // By score: right, wrong, right at IoU 0.5 only: precision 1 to recall 0.5, then 2/3.
  ImageTally tally;
  tally.scores = {0.9, 0.8, 0.7};
  tally.cells.resize(kBins);
  for (Cell& cell : tally.cells) {
    cell.positives = 2;
    cell.bits = {{1023, 0}, {0, 0}, {1, 0}};
    cell.found[2][0] = 2;
    for (int t = 1; t < kThresholds; ++t) cell.found[2][t] = 1;
  }
  const std::vector<ImageTally> tallies = {tally};
  const Ranking ranking(tallies, 1);
  const Ranking::Precision precision = ranking.precision({1}, 0);
  CHECK(precision.ap50 == Approx((51 + 50 * 2 / 3.0) / 101).epsilon(1e-14));
  CHECK(precision.ap75 == Approx(51 / 101.0).epsilon(1e-14));
  CHECK(average_recall(tallies, {1}, 0, 2) == Approx(0.55).epsilon(1e-14));
  CHECK(ranking.precision({0}, 0).ap == -1);  // no region
  CHECK(average_recall(tallies, {0}, 0, 2) == -1);
}

TEST_CASE("files that are the same show no difference, whatever is drawn") {
  std::vector<ImageTally> tallies(7);
  for (size_t i = 0; i < tallies.size(); ++i) {
    ImageTally& tally = tallies[i];
    tally.scores = {0.5, 0.25 * static_cast<double>(i)};
    std::sort(tally.scores.rbegin(), tally.scores.rend());
    tally.cells.resize(kBins);
    for (Cell& cell : tally.cells) {
      cell.positives = static_cast<int64_t>(i);
      cell.bits = {{static_cast<uint16_t>(i % 2 == 0 ? 31 : 0), 0}, {1, 1}};
    }
    tally.best = {0.1 * static_cast<double>(i), 1};
  }
  const Ranking ranking(tallies, 1);
  const Evaluated file = {&tallies, &ranking, {false, false, false}};
  const auto intervals = paired_intervals(file, file, 50, 2);
  REQUIRE(intervals[kAP]);
  CHECK((intervals[kAP]->low == 0 && intervals[kAP]->high == 0 && !intervals[kAP]->shown()));
  CHECK(!intervals[kOrderAccuracy]);
  std::vector<ImageTally> better = tallies;
  for (ImageTally& tally : better) tally.best.sum += 0.25;
  const Ranking other_ranking(better, 1);
  const Evaluated other = {&better, &other_ranking, {false, false, false}};
  const auto shown = paired_intervals(file, other, 50, 1);
  REQUIRE(shown[kBestIou]);
  CHECK(shown[kBestIou]->difference == Approx(0.25));
  CHECK((shown[kBestIou]->low == Approx(0.25) && shown[kBestIou]->shown()));
}

TEST_CASE("the object with the lower level in the largest region is in front") {
  CHECK(level_order(levels({"00", "00"}), levels({"11", "11"})) == 1);
  CHECK(level_order(levels({"22", "00"}), levels({"11", "11"})) == -1);  // 2 pixels each: the upper one is b's
  CHECK(level_order(levels({"11", "11"}), levels({"00", "00"})) == -1);
  CHECK(level_order(levels({"00", "11"}), levels({"00", "11"})) == 0);  // nowhere different
  CHECK(level_order(levels({"0.", "0."}), levels({".1", ".1"})) == 0);  // nowhere both
}

TEST_CASE("regions are 4-connected, and of equal ones the first in row-major order decides") {
  // a's regions: 1 + 1 pixels over a corner; b's: 2 pixels in a column.
  CHECK(level_order(levels({"0.1", ".01", "..."}), levels({"1.0", ".10", "..."})) == -1);
  // One pixel each: a's comes first by rows, b's by columns.
  CHECK(level_order(levels({".0", "1."}), levels({".1", "0."})) == 1);
  CHECK(level_order(levels({"1.", ".0"}), levels({"0.", ".1"})) == -1);
  // Three pixels around a corner are one region against two.
  CHECK(level_order(levels({"00.", "0..", ".11"}), levels({"11.", "1..", ".00"})) == 1);
  // A column's foot does not touch the next one's head.
  CHECK(level_order(levels({".0.", "..1", "0.1"}), levels({".1.", "..0", "1.0"})) == -1);
}
