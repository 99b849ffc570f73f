#include "evaluation/tally.h"

#include <algorithm>

#include "evaluation/level_order.h"
#include "evaluation/parallel.h"

namespace sln::evaluation {
namespace {

constexpr size_t kNone = static_cast<size_t>(-1);

bool in_subset(const Region& region, Subset subset) {
  return subset == Subset::kAll || region.is_stuff == (subset == Subset::kStuff);
}

// Whether depth order and completion speak of the region.
bool counts(const Region& region, Subset subset) {
  return in_subset(region, subset) && !region.crowd;
}

const Mask* mask_of(const Region& region, MaskKind kind) {
  return kind == MaskKind::kAmodal ? &region.amodal : kind == MaskKind::kVisible ? &region.visible : &region.hidden;
}

const Mask* mask_of(const Detection& detection, MaskKind kind) {
  return kind == MaskKind::kAmodal    ? &detection.amodal
         : kind == MaskKind::kVisible ? &detection.visible
                                      : &detection.hidden;
}

std::vector<uint8_t> crowds(const AnnotatedImage& image) {
  std::vector<uint8_t> crowd;
  for (const Region& region : image.regions) crowd.push_back(region.crowd);
  return crowd;
}

// Of the first `count` detections that say something about masks of this kind: one without a hidden part claims nothing
// about hidden parts. Their scores go to `scores` if it is not null.
IouMatrix ious_of(const AnnotatedImage& image, const std::vector<Detection>& detections, size_t count, MaskKind kind,
                  std::vector<double>* scores) {
  std::vector<const Mask*> found, regions;
  for (size_t d = 0; d < std::min(count, detections.size()); ++d) {
    if (kind == MaskKind::kHidden && detections[d].hidden.area == 0) continue;
    found.push_back(mask_of(detections[d], kind));
    if (scores != nullptr) scores->push_back(detections[d].score);
  }
  for (const Region& region : image.regions) regions.push_back(mask_of(region, kind));
  return iou_matrix(found, regions, crowds(image));
}

void count_found(Cell& cell) {
  for (int m = 0; m < kLimits; ++m) {
    const size_t first = std::min(cell.bits.size(), static_cast<size_t>(kDetectionLimits[m]));
    for (size_t d = 0; d < first; ++d) {
      for (int t = 0; t < kThresholds; ++t) {
        cell.found[m][t] += (cell.bits[d].matched & ~cell.bits[d].ignored) >> t & 1;
      }
    }
  }
}

void tally_cells(const AnnotatedImage& image, const IouMatrix& ious, const Options& options, ImageTally& tally) {
  const std::vector<uint8_t> crowd = crowds(image);
  for (const Subset subset : subsets_of(options)) {
    for (const BinRange& bin : kBinRanges) {
      std::vector<uint8_t> ignored;
      for (const Region& region : image.regions) {
        const bool nothing = options.mask == MaskKind::kHidden && region.hidden.area == 0;
        ignored.push_back(!in_subset(region, subset) || region.crowd || nothing || region.occlude_rate < bin.low ||
                          region.occlude_rate > bin.high);
      }
      Cell cell;
      cell.positives = std::count(ignored.begin(), ignored.end(), uint8_t{0});
      cell.bits = match(ious, ignored, crowd);
      count_found(cell);
      tally.cells.push_back(std::move(cell));
    }
  }
}

// The first detection (the one of highest score) with the largest IoU that is at least `least`, or kNone.
size_t best_detection(const IouMatrix& ious, size_t region, double least) {
  size_t best = kNone;
  for (size_t d = 0; d < ious.detections; ++d) {
    if (ious.at(d, region) < least) continue;
    if (best == kNone || ious.at(d, region) > ious.at(best, region)) best = d;
  }
  return best;
}

// 1 where the pair comes out as annotated, -1 where it comes out reversed, 0 where it is undecided.
int predicted_order(const std::vector<Detection>& detections, size_t front, size_t behind) {
  if (front == kNone || behind == kNone || front == behind) return 0;
  return level_order(detections[front].levels, detections[behind].levels);
}

void tally_order(const AnnotatedImage& image, const std::vector<Detection>& detections, const IouMatrix& ious,
                 Subset subset, ImageTally& tally) {
  std::vector<size_t> matches, best;
  for (size_t r = 0; r < image.regions.size(); ++r) {
    matches.push_back(best_detection(ious, r, kMatchIou));
    best.push_back(best_detection(ious, r, 0));
  }
  for (const OrderedPair& pair : image.pairs) {
    const auto front = static_cast<size_t>(pair.front), behind = static_cast<size_t>(pair.behind);
    if (!counts(image.regions[front], subset) || !counts(image.regions[behind], subset)) continue;
    const int order = predicted_order(detections, matches[front], matches[behind]);
    const int by_paper = predicted_order(detections, best[front], best[behind]);
    for (OrderCounts* sum : {&tally.order, &tally.slight}) {
      if (sum == &tally.slight && pair.overlap >= kSlightOverlap) continue;
      ++sum->pairs;
      sum->decided += order != 0;
      sum->right += order == 1;
      sum->right_by_paper += by_paper == 1;
    }
  }
}

void tally_completion(const AnnotatedImage& image, const std::vector<Detection>& detections, const IouMatrix& ious,
                      Subset subset, ImageTally& tally) {
  const auto add = [](Completion& completion, double value) {
    completion.sum += value;
    ++completion.count;
  };
  for (size_t r = 0; r < image.regions.size(); ++r) {
    const Region& region = image.regions[r];
    if (!counts(region, subset)) continue;
    const size_t best = best_detection(ious, r, 0);
    const double value = best == kNone ? 0 : ious.at(best, r);
    const bool occluded = region.occlude_rate > 0;
    add(tally.best, value);
    ++tally.regions;
    tally.occluded += occluded;
    if (!occluded) continue;
    add(tally.best_occluded, value);
    if (best == kNone || value < kMatchIou || region.hidden.area == 0) continue;
    add(tally.hidden, iou(detections[best].hidden, region.hidden));
  }
}

}  // namespace

std::vector<Subset> subsets_of(const Options& options) {
  if (options.subset == Subset::kAll) return {Subset::kAll, Subset::kThings, Subset::kStuff};
  return {options.subset};
}

const char* name_of(Subset subset) {
  return subset == Subset::kAll ? "all" : subset == Subset::kThings ? "things" : "stuff";
}

const char* name_of(Mode mode) {
  return mode == Mode::kStrict ? "strict" : "sln-compat";
}

const char* name_of(MaskKind mask) {
  return mask == MaskKind::kAmodal ? "amodal" : mask == MaskKind::kVisible ? "visible" : "hidden";
}

ImageTally tally_image(const Dataset& dataset, const Results& results, size_t image, const Options& options) {
  const AnnotatedImage& annotated = dataset.images[image];
  const std::vector<Detection> detections =
      decode_detections(results, dataset, image, static_cast<size_t>(options.max_detections));
  ImageTally tally;
  tally.detections = static_cast<int64_t>(results.images[image].size());
  tally.counts = options.mode == Mode::kStrict || tally.detections > 0;
  tally_cells(annotated, ious_of(annotated, detections, detections.size(), options.mask, &tally.scores), options,
              tally);
  const IouMatrix amodal = ious_of(annotated, detections, kFirstDetections, MaskKind::kAmodal, nullptr);
  if (results.levels) tally_order(annotated, detections, amodal, options.subset, tally);
  tally_completion(annotated, detections, amodal, options.subset, tally);
  return tally;
}

std::vector<ImageTally> tally_images(const Dataset& dataset, const Results& results, const Options& options) {
  std::vector<ImageTally> tallies(dataset.images.size());
  for_each_parallel(tallies.size(), options.threads,
                    [&](size_t i) { tallies[i] = tally_image(dataset, results, i, options); });
  return tallies;
}

}  // namespace sln::evaluation
