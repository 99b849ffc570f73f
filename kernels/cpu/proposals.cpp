// Proposals. Scalar code: what it decides are indices, and all of it takes about a millisecond.
#include "kernels/proposals.h"

#include <algorithm>
#include <cstring>

#include "kernels/cpu/parallel.h"
#include "kernels/math/activation.h"
#include "kernels/math/box.h"
#include "kernels/math/iou.h"

namespace sln::cpu {
namespace {

// An anchor's place in the order "logit descending, index ascending" as one integer, ascending.
using Key = uint64_t;

struct Kept {
  Box box;
  float area;     // square canvas pixels
  float score;    // sigmoid(logit)
  int32_t index;  // flat anchor index
};

constexpr size_t kAlignment = 64;

size_t round_up(size_t bytes) {
  return (bytes + kAlignment - 1) / kAlignment * kAlignment;
}

// NaN logits come after all others, -0 equals +0.
Key make_key(float logit, uint32_t index) {
  uint32_t descending = 0xFFFFFFFFu;
  if (logit == logit) {
    const float canonical = logit + 0.0f;
    uint32_t bits = 0;
    std::memcpy(&bits, &canonical, sizeof bits);
    const bool negative = (bits >> 31) != 0;
    descending = negative ? bits : ~(bits | 0x80000000u);
  }
  return static_cast<Key>(descending) << 32 | index;
}

void make_keys(const ProposalParams& p, int64_t begin, int64_t end, Key* keys) {
  for (int64_t cell = begin; cell < end; ++cell) {
    const float* logits = p.objectness + cell * p.objectness_stride;
    for (int a = 0; a < p.anchors_per_cell; ++a) {
      const int64_t index = cell * p.anchors_per_cell + a;
      keys[index] = make_key(logits[a], static_cast<uint32_t>(index));
    }
  }
}

Box decode(const ProposalParams& p, int64_t index) {
  const float* anchor = p.anchors + index * 4;
  const float* delta = p.deltas + index / p.anchors_per_cell * p.deltas_stride + index % p.anchors_per_cell * 4;
  const Box box = decode_anchor({anchor[0], anchor[1], anchor[2], anchor[3]}, delta[0], delta[1], delta[2], delta[3]);
  return clip_box(box, p.side);
}

// Greedy NMS over the candidates in order; a candidate is compared with the boxes kept so far only, which gives the
// same list as striking out what each kept box suppresses. Returns the number kept.
int keep_boxes(const ProposalParams& p, const Key* keys, int candidates, Kept* kept) {
  int count = 0;
  for (int i = 0; i < candidates && count < p.max_rois; ++i) {
    const int64_t index = static_cast<uint32_t>(keys[i]);
    const Box box = decode(p, index);
    if (!large_enough(box, p.min_box)) continue;
    const float box_area = area(box);
    const bool suppressed = std::any_of(
        kept, kept + count, [&](const Kept& other) { return iou(other.box, other.area, box, box_area) > p.nms_iou; });
    if (suppressed) continue;
    const float logit = p.objectness[index / p.anchors_per_cell * p.objectness_stride + index % p.anchors_per_cell];
    kept[count++] = {box, box_area, sigmoid(logit), static_cast<int32_t>(index)};
  }
  return count;
}

}  // namespace

size_t proposals_workspace_bytes(int total_anchors, int pre_nms) {
  const size_t anchors = static_cast<size_t>(total_anchors);
  const size_t candidates = std::min(anchors, static_cast<size_t>(pre_nms));
  return round_up(anchors * sizeof(Key)) + round_up(candidates * sizeof(Kept));
}

void proposals(const ProposalParams& params, ThreadPool& pool) {
  const int64_t cells = int64_t{params.grid} * params.grid;
  const int64_t anchors = cells * params.anchors_per_cell;
  Key* keys = static_cast<Key*>(params.workspace);
  void* after_keys = static_cast<char*>(params.workspace) + round_up(static_cast<size_t>(anchors) * sizeof(Key));
  Kept* kept = static_cast<Kept*>(after_keys);

  pool.parallel_for(cells, [&](int64_t begin, int64_t end, int) { make_keys(params, begin, end, keys); });
  const int candidates = static_cast<int>(std::min<int64_t>(params.pre_nms, anchors));
  if (candidates < anchors) std::nth_element(keys, keys + candidates, keys + anchors);
  std::sort(keys, keys + candidates);

  const int kept_count = keep_boxes(params, keys, candidates, kept);
  int32_t count = 0;
  for (int i = 0; i < kept_count; ++i) {
    // False for a NaN score: a box without a score is never an object.
    if (!(kept[i].score >= params.score_threshold)) continue;
    std::memcpy(params.boxes + count * 4, &kept[i].box, sizeof(Box));
    params.scores[count] = kept[i].score;
    params.anchor_index[count] = kept[i].index;
    ++count;
  }
  *params.count = count;
}

}  // namespace sln::cpu
