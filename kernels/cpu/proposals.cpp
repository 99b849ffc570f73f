// Proposals. What it decides are indices, so all of it runs on the scalar functions of kernels/math but for the NMS,
// which compares a candidate with many kept boxes at a time by the same operations.
#include "kernels/proposals.h"

#include <algorithm>

#include "kernels/cpu/parallel.h"
#include "kernels/math/activation.h"
#include "kernels/math/box.h"
#include "kernels/math/iou.h"
#include "kernels/math/order.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/proposals.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "kernels/cpu/dispatch.h"
#include "kernels/cpu/vector_math-inl.h"

HWY_BEFORE_NAMESPACE();
namespace sln::cpu::HWY_NAMESPACE {
namespace {

// True where the candidate's IoU with any of the kept boxes lies over nms_iou. planes: x0, y0, x1, y1, area of the kept
// boxes, `capacity` floats each; what follows the last box up to a multiple of 16 holds empty boxes.
bool suppressed(const float* planes, size_t capacity, int count, const Box& candidate, float candidate_area,
                float nms_iou) {
  const hn::CappedTag<float, 16> d;
  const auto zero = hn::Zero(d);
  const auto x0 = hn::Set(d, candidate.x0), y0 = hn::Set(d, candidate.y0);
  const auto x1 = hn::Set(d, candidate.x1), y1 = hn::Set(d, candidate.y1);
  for (size_t i = 0; i < static_cast<size_t>(count); i += hn::Lanes(d)) {
    const float* kept = planes + i;
    const auto w = hn::Sub(hn::Min(hn::Load(d, kept + 2 * capacity), x1), hn::Max(hn::Load(d, kept), x0));
    const auto h = hn::Sub(hn::Min(hn::Load(d, kept + 3 * capacity), y1), hn::Max(hn::Load(d, kept + capacity), y0));
    const auto intersection = hn::Mul(hn::Max(w, zero), hn::Max(h, zero));
    const auto areas = hn::Add(hn::Load(d, kept + 4 * capacity), hn::Set(d, candidate_area));
    const auto union_area = hn::Sub(areas, intersection);
    const auto iou = hn::IfThenElseZero(hn::Gt(union_area, zero), hn::Div(intersection, union_area));
    if (!hn::AllFalse(d, hn::Gt(iou, hn::Set(d, nms_iou)))) return true;
  }
  return false;
}

}  // namespace
}  // namespace sln::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace sln::cpu {
namespace {

// An anchor's place in the order "logit descending, index ascending" as one integer, ascending.
using Key = uint64_t;

constexpr size_t kLanes = 16;  // kept boxes are padded to a multiple of it
constexpr int kPlanes = 5;     // x0, y0, x1, y1, area

void make_keys(const ProposalsOp& p, int64_t begin, int64_t end, Key* keys) {
  for (int64_t cell = begin; cell < end; ++cell) {
    const float* logits = p.objectness + cell * p.objectness_stride;
    for (int a = 0; a < p.anchors_per_cell; ++a) {
      const int64_t index = cell * p.anchors_per_cell + a;
      keys[index] = static_cast<Key>(descending_order(logits[a])) << 32 | static_cast<uint32_t>(index);
    }
  }
}

Box decode(const ProposalsOp& p, int64_t index) {
  const float* anchor = p.anchors + index * 4;
  const float* delta = p.deltas + index / p.anchors_per_cell * p.deltas_stride + index % p.anchors_per_cell * 4;
  const Box box = decode_anchor({anchor[0], anchor[1], anchor[2], anchor[3]}, delta[0], delta[1], delta[2], delta[3]);
  return clip_box(box, p.side);
}

float logit_of(const ProposalsOp& p, int64_t index) {
  return p.objectness[index / p.anchors_per_cell * p.objectness_stride + index % p.anchors_per_cell];
}

// The scratch, cut up.
struct Scratch {
  Key* keys = nullptr;       // (total anchors)
  float* planes = nullptr;   // (kPlanes, capacity) kept boxes
  int32_t* index = nullptr;  // (capacity) flat anchor index of each
  size_t capacity = 0;       // multiple of kLanes
};

size_t kept_capacity(size_t anchors, int pre_nms) {
  return (std::min(anchors, static_cast<size_t>(pre_nms)) + kLanes - 1) / kLanes * kLanes;
}

Scratch cut(void* memory, size_t anchors, int pre_nms) {
  Scratch w;
  char* bytes = static_cast<char*>(memory);
  w.capacity = kept_capacity(anchors, pre_nms);
  w.keys = static_cast<Key*>(memory);
  w.planes = reinterpret_cast<float*>(bytes + aligned(anchors * sizeof(Key)));
  w.index = reinterpret_cast<int32_t*>(w.planes + kPlanes * w.capacity);
  return w;
}

void keep(const Scratch& w, int slot, const Box& box, float box_area, int64_t index) {
  const float values[kPlanes] = {box.x0, box.y0, box.x1, box.y1, box_area};
  for (int i = 0; i < kPlanes; ++i) {
    float* plane = w.planes + i * w.capacity;
    if (slot % kLanes == 0) std::fill_n(plane + slot, kLanes, 0.0f);
    plane[slot] = values[i];
  }
  w.index[slot] = static_cast<int32_t>(index);
}

// Greedy NMS over the candidates in order; a candidate is compared with the boxes kept so far only, which gives the
// same list as striking out what each kept box suppresses. Returns the number kept.
int keep_boxes(const ProposalsOp& p, const Scratch& w, int candidates) {
  const auto is_suppressed = SLN_SELECT(suppressed);
  int count = 0;
  for (int i = 0; i < candidates && count < p.max_rois; ++i) {
    const int64_t index = static_cast<uint32_t>(w.keys[i]);
    const Box box = decode(p, index);
    if (!large_enough(box, p.min_box)) continue;
    const float box_area = area(box);
    if (is_suppressed(w.planes, w.capacity, count, box, box_area, p.nms_iou)) continue;
    keep(w, count++, box, box_area, index);
  }
  return count;
}

// Writes the kept boxes whose score reaches the threshold. Returns their number.
int32_t write_boxes(const ProposalsOp& p, const Scratch& w, int kept) {
  int32_t count = 0;
  for (int i = 0; i < kept; ++i) {
    const float score = sigmoid(logit_of(p, w.index[i]));
    // False for a NaN score: a box without a score is never an object.
    if (!(score >= p.score_threshold)) continue;
    for (int j = 0; j < 4; ++j) p.boxes[count * 4 + j] = w.planes[j * w.capacity + static_cast<size_t>(i)];
    p.scores[count] = score;
    p.anchor_index[count] = w.index[i];
    ++count;
  }
  return count;
}

}  // namespace

size_t scratch_bytes(const ProposalsOp& op, int /*threads*/) {
  const size_t anchors = static_cast<size_t>(op.anchor_count());
  return aligned(anchors * sizeof(Key)) +
         (kPlanes * sizeof(float) + sizeof(int32_t)) * kept_capacity(anchors, op.pre_nms);
}

void run(const ProposalsOp& op, void* scratch, ThreadPool& pool) {
  const int64_t anchors = op.anchor_count();
  const Scratch w = cut(scratch, static_cast<size_t>(anchors), op.pre_nms);

  pool.parallel_for(op.cells(), [&](int64_t begin, int64_t end, int) { make_keys(op, begin, end, w.keys); });
  const int candidates = static_cast<int>(std::min<int64_t>(op.pre_nms, anchors));
  if (candidates < anchors) std::nth_element(w.keys, w.keys + candidates, w.keys + anchors);
  std::sort(w.keys, w.keys + candidates);
  *op.count = write_boxes(op, w, keep_boxes(op, w, candidates));
}

}  // namespace sln::cpu
#endif  // HWY_ONCE
