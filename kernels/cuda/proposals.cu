// From RPN maps to boxes, in four launches of which none waits for the host:
//   order    each anchor's logit as an integer that ascends in the order of the proposals
//   select   the pre_nms first anchors of this order
//   sort     an anchor's place is the number of those before it; its box is decoded there
//   nms      greedy non-maximum suppression, the scores and the threshold
// The scalar maths of kernels/math, so the bytes of kernels/cpu/proposals.cpp. The order is strict: logits, then
// indices, of which no two are equal, so no result depends on the order of threads.
//
// order and sort have a thread an anchor and a candidate, in blocks of 256, of which sort shares the keys in as large
// tiles. select and nms each are one block: their steps depend on each other, and a block's barrier is cheaper than a
// launch. select narrows the last place down by digits of 8 bits, counted in shared memory, and stops when the anchors
// that share its digits are wanted all, which is before the index's digits unless logits tie. nms settles 64 candidates
// at a time: all threads compare them with the kept boxes and with each other, then one thread walks through 64 words
// of overlaps. That ends with max_rois boxes, mostly after a few hundred candidates; a matrix of all overlaps would be
// computed in vain.
#include <string>

#include "kernels/cuda/checks.h"
#include "kernels/cuda/launch.cuh"
#include "kernels/cuda/ops.h"
#include "kernels/math/activation.h"
#include "kernels/math/box.h"
#include "kernels/math/iou.h"
#include "kernels/math/order.h"

namespace sln::cuda {
namespace {

using Word = unsigned long long;

constexpr int kOrderThreads = 256;
constexpr int kSelectThreads = 1024;  // of the one block
constexpr int kSortThreads = 256;
constexpr int kNmsThreads = 256;              // of the one block
constexpr int kDigits = 256;                  // values of a digit
constexpr int kChunk = 64;                    // candidates that are settled at a time
constexpr int kParts = kNmsThreads / kChunk;  // threads of a candidate
constexpr int kPart = kChunk / kParts;        // candidates of the chunk that each of them compares with
constexpr int kMaxRois = 1024;                // kept boxes that shared memory has room for

struct Candidate {
  Box box;
  float area;
  int index;  // flat anchor index, or -1: too small
};

// The op and its scratch, cut up.
struct Work {
  ProposalsOp op;
  int anchors;
  int wanted;             // candidates: pre_nms, or all anchors
  uint32_t* order;        // (anchors) ascending in the order of the proposals
  Word* keys;             // (wanted) order and index of the candidates
  Candidate* candidates;  // (wanted) in order
  size_t bytes;           // of the scratch
};

Work cut(const ProposalsOp& op, void* memory) {
  Work w = {};
  w.op = op;
  w.anchors = static_cast<int>(op.anchor_count());
  w.wanted = w.anchors < op.pre_nms ? w.anchors : op.pre_nms;
  const size_t order = aligned(static_cast<size_t>(w.anchors) * sizeof(uint32_t));
  const size_t keys = aligned(static_cast<size_t>(w.wanted) * sizeof(Word));
  auto* const bytes = static_cast<char*>(memory);
  w.order = reinterpret_cast<uint32_t*>(bytes);
  w.keys = reinterpret_cast<Word*>(bytes + order);
  w.candidates = reinterpret_cast<Candidate*>(bytes + order + keys);
  w.bytes = order + keys + static_cast<size_t>(w.wanted) * sizeof(Candidate);
  return w;
}

__device__ __forceinline__ float logit_of(const ProposalsOp& p, int index) {
  const int cell = index / p.anchors_per_cell;
  return p.objectness[cell * p.objectness_stride + (index - cell * p.anchors_per_cell)];
}

__global__ void __launch_bounds__(kOrderThreads) proposals_order_kernel(Work w) {
  const int index = thread_number();
  if (index < w.anchors) w.order[index] = descending_order(logit_of(w.op, index));
}

__device__ __forceinline__ Word key_at(const Work& w, int index) {
  return static_cast<Word>(w.order[index]) << 32 | static_cast<unsigned>(index);
}

// To be called by all threads of a block: how many of them before this one take something, and of all in `total`.
// sums: (threads / 32).
__device__ __forceinline__ int rank_of(bool take, int* sums, int& total) {
  const int lane = static_cast<int>(threadIdx.x) % kWarp;
  const int warp = static_cast<int>(threadIdx.x) / kWarp;
  const unsigned votes = __ballot_sync(kAllLanes, take);
  if (lane == 0) sums[warp] = __popc(votes);
  __syncthreads();
  int rank = __popc(votes & ((1u << lane) - 1));
  total = 0;
  for (int i = 0; i < static_cast<int>(blockDim.x) / kWarp; ++i) {
    if (i < warp) rank += sums[i];
    total += sums[i];
  }
  __syncthreads();  // sums may be written again
  return rank;
}

// By one warp: the digit that holds the wanted-th key of a histogram, and how many keys are in lower ones.
// A lane has eight digits.
__device__ __forceinline__ void find_digit(const int (&histogram)[kDigits], int wanted, int (&found)[2]) {
  constexpr int kOwn = kDigits / kWarp;
  const int lane = static_cast<int>(threadIdx.x);
  int own = 0;
  for (int i = 0; i < kOwn; ++i) own += histogram[lane * kOwn + i];
  int before = own;
  for (int distance = 1; distance < kWarp; distance *= 2) {
    const int other = __shfl_up_sync(kAllLanes, before, static_cast<unsigned>(distance));
    if (lane >= distance) before += other;
  }
  before -= own;
  if (before >= wanted || before + own < wanted) return;
  int digit = lane * kOwn;
  while (before + histogram[digit] < wanted) before += histogram[digit++];
  found[0] = digit;
  found[1] = before;
}

// Finds the last wanted key digit by digit, then writes all keys up to it, by index.
__global__ void __launch_bounds__(kSelectThreads) proposals_select_kernel(Work w) {
  SLN_SHARED(int, histogram, [kDigits]);
  SLN_SHARED(int, sums, [kSelectThreads / kWarp]);
  SLN_SHARED(int, found, [2]);
  const int thread = static_cast<int>(threadIdx.x);
  Word last = 0;          // its digits so far
  int wanted = w.wanted;  // of the keys that share them
  int shift = 64;
  for (bool all = false; !all;) {
    shift -= 8;
    if (thread < kDigits) histogram[thread] = 0;
    __syncthreads();
    for (int i = thread; i < w.anchors; i += kSelectThreads) {
      const Word key = key_at(w, i) >> shift;
      if (shift == 56 || key >> 8 == last) atomicAdd(&histogram[key % kDigits], 1);
    }
    __syncthreads();
    if (thread < kWarp) find_digit(histogram, wanted, found);
    __syncthreads();
    last = last << 8 | static_cast<Word>(found[0]);
    wanted -= found[1];
    all = histogram[found[0]] == wanted;
    __syncthreads();
  }
  int written = 0;
  for (int first = 0; first < w.anchors; first += kSelectThreads) {
    const int i = first + thread;
    const Word key = i < w.anchors ? key_at(w, i) : 0;
    const bool take = i < w.anchors && key >> shift <= last;
    int taken = 0;
    const int rank = rank_of(take, sums, taken);
    if (take) w.keys[written + rank] = key;
    written += taken;
  }
}

__device__ __forceinline__ Candidate decode(const ProposalsOp& p, int index) {
  const int cell = index / p.anchors_per_cell;
  const float* const anchor = p.anchors + index * 4;
  const float* const delta = p.deltas + (cell * p.deltas_stride + (index - cell * p.anchors_per_cell) * 4);
  const Anchor at = {anchor[0], anchor[1], anchor[2], anchor[3]};
  const Box box = clip_box(decode_anchor(at, delta[0], delta[1], delta[2], delta[3]), p.side);
  return {box, area(box), large_enough(box, p.min_box) ? index : -1};
}

__global__ void __launch_bounds__(kSortThreads) proposals_sort_kernel(Work w) {
  SLN_SHARED(Word, tile, [kSortThreads]);
  const int thread = static_cast<int>(threadIdx.x);
  const int i = thread_number();
  const Word key = i < w.wanted ? w.keys[i] : 0;
  int place = 0;
  for (int first = 0; first < w.wanted; first += kSortThreads) {
    tile[thread] = first + thread < w.wanted ? w.keys[first + thread] : ~Word{0};
    __syncthreads();
    for (int j = 0; j < kSortThreads; ++j) place += tile[j] < key ? 1 : 0;
    __syncthreads();
  }
  if (i < w.wanted) w.candidates[place] = decode(w.op, static_cast<int>(key & 0xffffffffu));
}

__device__ __forceinline__ bool overlap(const ProposalsOp& p, const Candidate& a, const Candidate& b) {
  return iou(a.box, a.area, b.box, b.area) > p.nms_iou;
}

// The part of a candidate's overlaps that is this thread's: bit j stands for the chunk's candidate part * kPart + j
// before it. A candidate that is too small, or overlaps a kept box, overlaps itself.
__device__ __forceinline__ unsigned overlaps_of(const ProposalsOp& p, const Candidate* chunk, const Candidate* kept,
                                                int count, int mine, int part) {
  const Candidate c = chunk[mine];
  bool out = c.index < 0;
  for (int k = part; k < count && !out; k += kParts) out = overlap(p, kept[k], c);
  unsigned bits = 0;
  for (int j = 0; j < kPart; ++j) {
    if (part * kPart + j < mine && overlap(p, chunk[part * kPart + j], c)) bits |= 1u << j;
  }
  // Each of a candidate's threads may know of another kept box.
  const unsigned group = __ballot_sync(kAllLanes, out) >> (static_cast<int>(threadIdx.x) % kWarp / kParts * kParts);
  if ((group & ((1u << kParts) - 1)) != 0 && mine / kPart == part) bits |= 1u << mine % kPart;
  return bits;
}

// Candidates that stay, in order, until there are `room` of them.
__device__ __forceinline__ Word settle(const Word* overlaps, int room) {
  Word alive = 0;
  for (int i = 0; i < kChunk; ++i) {
    const Word self = Word{1} << i;
    const bool stays = room > 0 && (overlaps[i] & (alive | self)) == 0;
    alive |= stays ? self : 0;
    room -= stays ? 1 : 0;
  }
  return alive;
}

__device__ __forceinline__ void write_box(const ProposalsOp& p, int slot, const Candidate& kept, float score) {
  const float corners[4] = {kept.box.x0, kept.box.y0, kept.box.x1, kept.box.y1};
  SLN_UNROLL(4)
  for (int i = 0; i < 4; ++i) p.boxes[slot * 4 + i] = corners[i];
  p.scores[slot] = score;
  p.anchor_index[slot] = kept.index;
}

// Writes the kept boxes whose score reaches the threshold; a NaN score does not.
__device__ __forceinline__ void write_boxes(const ProposalsOp& p, const Candidate* kept, int count, int* sums) {
  int written = 0;
  for (int first = 0; first < count; first += kNmsThreads) {
    const int i = first + static_cast<int>(threadIdx.x);
    const float score = i < count ? sigmoid(logit_of(p, kept[i].index)) : 0.0f;
    const bool take = i < count && score >= p.score_threshold;
    int taken = 0;
    const int rank = rank_of(take, sums, taken);
    if (take) write_box(p, written + rank, kept[i], score);
    written += taken;
  }
  if (threadIdx.x == 0) *p.count = written;
}

// A candidate is compared with the boxes kept so far only, which gives the same list as striking out what each kept box
// suppresses.
__global__ void __launch_bounds__(kNmsThreads) proposals_nms_kernel(Work w) {
  SLN_SHARED(Candidate, kept, [kMaxRois]);
  SLN_SHARED(Candidate, chunk, [kChunk]);
  SLN_SHARED(Word, overlaps, [kChunk]);
  SLN_SHARED(Word, alive, [1]);
  SLN_SHARED(int, sums, [kNmsThreads / kWarp]);
  const ProposalsOp& p = w.op;
  const int thread = static_cast<int>(threadIdx.x);
  const int mine = thread / kParts;
  const int part = thread % kParts;
  int count = 0;
  for (int first = 0; first < w.wanted && count < p.max_rois; first += kChunk) {
    if (thread < kChunk) {
      chunk[thread] = first + thread < w.wanted ? w.candidates[first + thread] : Candidate{{0, 0, 0, 0}, 0, -1};
      overlaps[thread] = 0;
    }
    __syncthreads();
    const Word bits = overlaps_of(p, chunk, kept, count, mine, part);
    atomicOr(&overlaps[mine], bits << part * kPart);
    __syncthreads();
    if (thread == 0) alive[0] = settle(overlaps, p.max_rois - count);
    __syncthreads();
    const Word stay = alive[0];
    if (thread < kChunk && (stay >> thread & 1) != 0) {
      kept[count + __popcll(stay & ((Word{1} << thread) - 1))] = chunk[thread];
    }
    count += __popcll(stay);
    __syncthreads();
  }
  write_boxes(p, kept, count, sums);
}

void check(bool holds, const char* what) {
  require(holds, "proposals", what);
}

void check(const ProposalsOp& op) {
  check(op.grid > 0 && op.anchors_per_cell > 0, "map without anchors");
  check(op.objectness_stride >= op.anchors_per_cell, "objectness_stride is below anchors_per_cell");
  check(op.deltas_stride >= int64_t{4} * op.anchors_per_cell, "deltas_stride is below 4 * anchors_per_cell");
  check(op.pre_nms > 0, "pre_nms must be positive");
  if (op.max_rois <= 0 || op.max_rois > kMaxRois) {  // the one limit that a network may meet
    throw std::invalid_argument("proposals: max_rois: expected 1..1024, found " + std::to_string(op.max_rois));
  }
  check_buffers(op, "proposals");
}

}  // namespace

size_t scratch_bytes(const ProposalsOp& op) {
  check(op);
  return cut(op, nullptr).bytes;
}

int run(const ProposalsOp& op, void* scratch, Stream stream) {
  check(op);
  check(scratch != nullptr, "scratch is null");
  const Work w = cut(op, scratch);
  cudaError_t error =
      launch(proposals_order_kernel, grid_for(w.anchors, kOrderThreads), dim3(kOrderThreads), 0, stream, w);
  if (error == cudaSuccess) error = launch(proposals_select_kernel, dim3(1), dim3(kSelectThreads), 0, stream, w);
  if (error == cudaSuccess)
    error = launch(proposals_sort_kernel, grid_for(w.wanted, kSortThreads), dim3(kSortThreads), 0, stream, w);
  if (error == cudaSuccess) error = launch(proposals_nms_kernel, dim3(1), dim3(kNmsThreads), 0, stream, w);
  return error;
}

}  // namespace sln::cuda
