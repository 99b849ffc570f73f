// What one image adds to the figures: everything that sums and resampling need, nothing of the masks.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "evaluation/matching.h"
#include "evaluation/results.h"

namespace sln::evaluation {

enum class Mode { kStrict, kSlnCompat };
enum class Subset { kAll, kThings, kStuff };
enum class MaskKind { kAmodal, kVisible, kHidden };

struct Options {
  Mode mode = Mode::kStrict;
  Subset subset = Subset::kAll;  // the regions that count
  MaskKind mask = MaskKind::kAmodal;
  int max_detections = 100;  // 100 or 1000
  int threads = 0;           // 0: the machine's cores
};

// Bins of the share that is hidden, both ends included: 0.25 exactly is in two of them.
constexpr int kBins = 4;
struct BinRange {
  const char* name;
  double low, high;
};
constexpr BinRange kBinRanges[kBins] = {
    {"all", 0, 1}, {"none", 0, 0.00001}, {"partial", 0.00001, 0.25}, {"heavy", 0.25, 1}};

constexpr int kLimits = 4;
constexpr int kDetectionLimits[kLimits] = {1, 10, 100, 1000};

// Regions of one subset and bin against the detections of one image.
struct Cell {
  int64_t positives = 0;                     // regions not ignored
  std::vector<MatchBits> bits;               // by falling score
  int64_t found[kLimits][kThresholds] = {};  // true positives among the first detections
};

struct OrderCounts {
  int64_t pairs = 0, decided = 0, right = 0;
  int64_t right_by_paper = 0;  // best match whatever its IoU, undecided is wrong
};

struct Completion {
  double sum = 0;  // of IoUs
  int64_t count = 0;
};

struct ImageTally {
  bool counts = true;          // in AP and AR: not where mode sln-compat leaves the image out
  std::vector<double> scores;  // falling
  std::vector<Cell> cells;     // (subsets, kBins), the subsets as in subsets_of()
  OrderCounts order;           // pairs of regions that count
  OrderCounts slight;          // those of them that overlap by under kSlightOverlap pixels
  Completion best, best_occluded, hidden;
  int64_t regions = 0, occluded = 0, detections = 0;  // regions of the subset that count; detections in the file
};

constexpr int64_t kSlightOverlap = 20;    // pixels
constexpr size_t kFirstDetections = 100;  // that depth order and completion look at
constexpr double kMatchIou = 0.5;         // least amodal IoU of a match there

// The subsets that are evaluated: all, things and stuff where all regions count, otherwise the one that counts.
std::vector<Subset> subsets_of(const Options& options);
const char* name_of(Subset subset);
const char* name_of(Mode mode);
const char* name_of(MaskKind mask);

ImageTally tally_image(const Dataset& dataset, const Results& results, size_t image, const Options& options);
// Of every image, by Dataset::images. The same for any number of threads.
std::vector<ImageTally> tally_images(const Dataset& dataset, const Results& results, const Options& options);

}  // namespace sln::evaluation
