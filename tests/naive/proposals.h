// The proposal stage by its definition: everything is sorted, every pair is compared, nothing is stopped early. run()
// is all in float, by the functions of kernels/math; proposals() has exp in double, and formulas of its own.
#pragma once

#include <algorithm>
#include <cmath>
#include <utility>
#include <vector>

#include "kernels/math/activation.h"
#include "kernels/math/box.h"
#include "kernels/math/iou.h"
#include "kernels/proposals.h"

namespace sln_naive {

struct Proposal {
  int index;
  float logit;
  float x0, y0, x1, y1;
  float score;
};

inline Proposal decode(const sln::ProposalsOp& p, int index) {
  const int cell = index / p.anchors_per_cell;
  const int a = index % p.anchors_per_cell;
  const float* anchor = p.anchors + 4 * index;
  const float* delta = p.deltas + cell * p.deltas_stride + 4 * a;
  const auto grow = [](float d) { return static_cast<float>(std::exp(std::min(double{d}, std::log(1000.0 / 16)))); };
  const float cx = anchor[0] + delta[0] * anchor[2];
  const float cy = anchor[1] + delta[1] * anchor[3];
  const float w = anchor[2] * grow(delta[2]);
  const float h = anchor[3] * grow(delta[3]);
  const auto clip = [&](float x) { return std::isnan(x) ? x : std::min(std::max(x, 0.0f), p.side); };
  const float logit = p.objectness[cell * p.objectness_stride + a];
  const float score = static_cast<float>(1 / (1 + std::exp(-double{logit})));
  return {index, logit, clip(cx - w / 2), clip(cy - h / 2), clip(cx + w / 2), clip(cy + h / 2), score};
}

inline float iou(const Proposal& a, const Proposal& b) {
  const float area_a = (a.x1 - a.x0) * (a.y1 - a.y0);
  const float area_b = (b.x1 - b.x0) * (b.y1 - b.y0);
  const float w = std::max(0.0f, std::min(a.x1, b.x1) - std::max(a.x0, b.x0));
  const float h = std::max(0.0f, std::min(a.y1, b.y1) - std::max(a.y0, b.y0));
  const float inter = w * h;
  const float all = area_a + area_b - inter;
  return all == 0 ? 0 : inter / all;
}

// What the stage makes of boxes of all anchors, in the order of their index; iou(a, b) of two of them.
template <typename Iou>
std::vector<Proposal> select(const sln::ProposalsOp& p, std::vector<Proposal> all, const Iou& overlap) {
  std::stable_sort(all.begin(), all.end(), [](const Proposal& a, const Proposal& b) {
    if (std::isnan(a.logit) || std::isnan(b.logit)) return !std::isnan(a.logit) && std::isnan(b.logit);
    return a.logit > b.logit;
  });
  if (all.size() > static_cast<size_t>(p.pre_nms)) all.resize(static_cast<size_t>(p.pre_nms));
  std::vector<Proposal> large;
  for (const Proposal& box : all) {
    if (box.x1 - box.x0 >= p.min_box && box.y1 - box.y0 >= p.min_box) large.push_back(box);
  }
  std::vector<bool> gone(large.size(), false);
  for (size_t i = 0; i < large.size(); ++i) {
    for (size_t j = i + 1; j < large.size() && !gone[i]; ++j) {
      if (overlap(large[i], large[j]) > p.nms_iou) gone[j] = true;
    }
  }
  std::vector<Proposal> kept;
  for (size_t i = 0; i < large.size() && kept.size() < static_cast<size_t>(p.max_rois); ++i) {
    if (!gone[i]) kept.push_back(large[i]);
  }
  std::vector<Proposal> result;
  for (const Proposal& box : kept) {
    if (box.score >= p.score_threshold) result.push_back(box);
  }
  return result;
}

inline std::vector<Proposal> proposals(const sln::ProposalsOp& p) {
  std::vector<Proposal> all;
  for (int i = 0; i < p.anchor_count(); ++i) all.push_back(decode(p, i));
  return select(p, std::move(all), iou);
}

inline void run(const sln::ProposalsOp& p) {
  std::vector<Proposal> all;
  for (int i = 0; i < p.anchor_count(); ++i) {
    const int cell = i / p.anchors_per_cell, a = i % p.anchors_per_cell;
    const float* const anchor = p.anchors + int64_t{4} * i;
    const float* const delta = p.deltas + int64_t{cell} * p.deltas_stride + 4 * a;
    const float logit = p.objectness[int64_t{cell} * p.objectness_stride + a];
    const sln::Box box = sln::clip_box(
        sln::decode_anchor({anchor[0], anchor[1], anchor[2], anchor[3]}, delta[0], delta[1], delta[2], delta[3]),
        p.side);
    all.push_back({i, logit, box.x0, box.y0, box.x1, box.y1, sln::sigmoid(logit)});
  }
  const auto overlap = [](const Proposal& one, const Proposal& other) {
    const sln::Box a = {one.x0, one.y0, one.x1, one.y1}, b = {other.x0, other.y0, other.x1, other.y1};
    return sln::iou(a, sln::area(a), b, sln::area(b));
  };
  const std::vector<Proposal> found = select(p, std::move(all), overlap);
  *p.count = static_cast<int32_t>(found.size());
  for (size_t i = 0; i < found.size(); ++i) {
    const Proposal& box = found[i];
    const float corners[4] = {box.x0, box.y0, box.x1, box.y1};
    std::copy_n(corners, 4, p.boxes + 4 * i);
    p.scores[i] = box.score;
    p.anchor_index[i] = box.index;
  }
}

}  // namespace sln_naive
