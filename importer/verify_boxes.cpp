#include "importer/verify_boxes.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "engine/error.h"
#include "importer/anchors.h"

namespace sln::importer {
namespace {

constexpr double kLogitTie = 1e-5;  // logits closer than this may change places
constexpr double kIouTie = 1e-5;    // an IoU this close to the threshold may fall on either side
constexpr double kSideTie = 0.01;   // pixels; boxes agree to this

struct Candidate {
  double logit = 0;
  std::array<double, 4> box{};
};

// Logits and boxes of the first run, by anchor.
class Candidates {
 public:
  Candidates(const Config& config, const Tensor& logits, const Tensor& deltas)
      : config_(config), anchors_(make_anchors(config)) {
    const size_t a = static_cast<size_t>(config.anchors_per_cell());
    const size_t cells = static_cast<size_t>(config.grid()) * static_cast<size_t>(config.grid());
    if (logits.data.size() != a * cells || deltas.data.size() != 4 * a * cells)
      fail(ErrorKind::kInvalidArgument, "rpn_objectness and rpn_deltas: expected ", a * cells, " anchors, found ",
           logits.data.size());
    for (size_t i = 0; i < anchors_.size(); ++i) {
      const size_t cell = i / a, anchor = i % a;
      std::array<double, 4> d{};
      for (size_t k = 0; k < 4; ++k) d[k] = static_cast<double>(deltas.data[(4 * anchor + k) * cells + cell]);
      all_.push_back(
          {static_cast<double>(logits.data[anchor * cells + cell]), decode_box(anchors_[i], d, config.side)});
    }
    std::vector<double> sorted;
    for (const Candidate& candidate : all_) sorted.push_back(candidate.logit);
    const size_t count = std::min(sorted.size(), static_cast<size_t>(config.pre_nms));
    std::nth_element(sorted.begin(), sorted.begin() + static_cast<std::ptrdiff_t>(count - 1), sorted.end(),
                     std::greater<double>());
    last_logit_ = sorted[count - 1];
    all_of_them_ = count == all_.size();
  }

  const Candidate& at(size_t anchor) const { return all_.at(anchor); }
  size_t size() const { return all_.size(); }

  // A near-tie at the border of the top-k or of the smallest size.
  bool at_border(size_t anchor) const {
    const Candidate& c = at(anchor);
    const double side = std::min(c.box[2] - c.box[0], c.box[3] - c.box[1]);
    return (!all_of_them_ && std::abs(c.logit - last_logit_) < kLogitTie) ||
           std::abs(side - config_.min_box * config_.side) < kSideTie;
  }

 private:
  const Config& config_;
  std::vector<std::array<float, 4>> anchors_;
  std::vector<Candidate> all_;
  double last_logit_ = 0;
  bool all_of_them_ = false;
};

std::vector<size_t> to_numbers(const Tensor& anchors, size_t count) {
  std::vector<size_t> numbers;
  for (const float x : anchors.data) {
    if (!(x >= 0) || static_cast<size_t>(x) >= count)
      fail(ErrorKind::kInvalidArgument, "anchor_index: expected numbers below ", count, ", found ", x);
    numbers.push_back(static_cast<size_t>(x));
  }
  return numbers;
}

// Boxes that only one run kept, and what explains them.
class Differences {
 public:
  Differences(const Config& config, const Candidates& candidates, const std::vector<size_t>& first,
              const std::vector<size_t>& second)
      : config_(config), candidates_(candidates), first_(first), second_(second) {
    const std::set<size_t> a(first.begin(), first.end()), b(second.begin(), second.end());
    std::set_symmetric_difference(a.begin(), a.end(), b.begin(), b.end(), std::back_inserter(open_));
    std::set_union(a.begin(), a.end(), b.begin(), b.end(), std::back_inserter(kept_));
  }

  int64_t count() const { return static_cast<int64_t>(open_.size()); }

  // Anchors that nothing explains.
  std::vector<size_t> unexplained() const {
    std::vector<size_t> rest = open_, explained;
    for (bool again = true; again;) {  // an explained difference explains what it suppresses or lets in
      again = false;
      for (auto it = rest.begin(); it != rest.end();) {
        if (!explains(*it, explained)) {
          ++it;
          continue;
        }
        explained.push_back(*it);
        it = rest.erase(it);
        again = true;
      }
    }
    return rest;
  }

 private:
  bool explains(size_t anchor, const std::vector<size_t>& explained) const {
    const Candidate& c = candidates_.at(anchor);
    if (candidates_.at_border(anchor)) return true;
    for (const size_t other : kept_) {
      const Candidate& o = candidates_.at(other);
      if (other != anchor && o.logit > c.logit - kLogitTie &&
          std::abs(box_iou(c.box, o.box) - config_.nms_iou) < kIouTie)
        return true;
    }
    for (const size_t other : explained)
      if (box_iou(c.box, candidates_.at(other).box) > config_.nms_iou - kIouTie) return true;
    // A list that is full ends earlier where it has a box more before; then the other list has one more at its end. The
    // last places may also change hands between near-ties.
    const auto& lacking = std::find(first_.begin(), first_.end(), anchor) == first_.end() ? first_ : second_;
    const bool full = lacking.size() == static_cast<size_t>(config_.max_rois);
    if (!full) return false;
    const double last = candidates_.at(lacking.back()).logit;
    return std::abs(c.logit - last) < kLogitTie || (!explained.empty() && c.logit < last + kLogitTie);
  }

  const Config& config_;
  const Candidates& candidates_;
  const std::vector<size_t>& first_;
  const std::vector<size_t>& second_;
  std::vector<size_t> open_, kept_;
};

void count_swaps(const Candidates& candidates, const std::vector<size_t>& first, BoxMatching& matching) {
  for (size_t i = 0; i < matching.pairs.size(); ++i)
    for (size_t j = i + 1; j < matching.pairs.size(); ++j) {
      if (matching.pairs[i].second < matching.pairs[j].second) continue;
      ++matching.swaps;
      const double a = candidates.at(first[matching.pairs[i].first]).logit,
                   b = candidates.at(first[matching.pairs[j].first]).logit;
      if (std::abs(a - b) < kLogitTie) continue;
      if (matching.unexplained_swaps++ == 0)
        matching.detail = concat("boxes ", matching.pairs[i].first, " and ", matching.pairs[j].first,
                                 " change places though their logits are ", a, " and ", b);
    }
}

}  // namespace

BoxMatching match_boxes(const Config& config, const Tensor& logits, const Tensor& deltas, const Tensor& anchors_first,
                        const Tensor& anchors_second) {
  const Candidates candidates(config, logits, deltas);
  const std::vector<size_t> first = to_numbers(anchors_first, candidates.size());
  const std::vector<size_t> second = to_numbers(anchors_second, candidates.size());
  BoxMatching matching;
  std::map<size_t, size_t> row_of;
  for (size_t i = 0; i < second.size(); ++i) row_of[second[i]] = i;
  for (size_t i = 0; i < first.size(); ++i) {
    const auto found = row_of.find(first[i]);
    if (found != row_of.end()) matching.pairs.emplace_back(i, found->second);
  }
  count_swaps(candidates, first, matching);
  const Differences differences(config, candidates, first, second);
  matching.differences = differences.count();
  const std::vector<size_t> open = differences.unexplained();
  matching.unexplained_differences = static_cast<int64_t>(open.size());
  if (!open.empty() && matching.detail.empty())
    matching.detail = concat("anchor ", open[0], " is kept by one run only and no near-tie explains it");
  return matching;
}

}  // namespace sln::importer
