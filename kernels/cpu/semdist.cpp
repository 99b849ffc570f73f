// Softmax and the planes of the refinement: vectors over pixels. A block of pixels is transposed into planes on the
// stack, worked on, and written back.
#include "kernels/semdist.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "kernels/cpu/parallel.h"
#include "kernels/math/semdist.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/semdist.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "kernels/cpu/dispatch.h"
#include "kernels/cpu/vector_math-inl.h"

HWY_BEFORE_NAMESPACE();
namespace sln::cpu::HWY_NAMESPACE {
namespace {

constexpr int kMaxChannels = 16;
constexpr int kBlock = 16;  // pixels; a multiple of every vector length

// Channel planes of a block of pixels.
struct Tile {
  HWY_ALIGN float at[kMaxChannels][kBlock];
};

// Fills the tile with `count` pixels; the rest of the block repeats the last of them, so that it holds ordinary
// numbers.
HWY_INLINE void load_tile(const float* src, size_t stride, int count, int channels, Tile& tile) {
  for (int i = 0; i < kBlock; ++i) {
    const float* pixel = src + static_cast<size_t>(std::min(i, count - 1)) * stride;
    for (int c = 0; c < channels; ++c) tile.at[c][i] = pixel[c];
  }
}

// Logits to probabilities, in place; the sum runs in channel order.
HWY_INLINE void softmax_tile(int channels, Tile& tile) {
  const hn::CappedTag<float, kBlock> d;
  for (size_t i = 0; i < kBlock; i += hn::Lanes(d)) {
    auto largest = hn::Load(d, &tile.at[0][i]);
    for (int c = 1; c < channels; ++c) largest = hn::Max(largest, hn::Load(d, &tile.at[c][i]));
    auto sum = hn::Zero(d);
    for (int c = 0; c < channels; ++c) {
      const auto e = vector_exp(d, hn::Sub(hn::Load(d, &tile.at[c][i]), largest));
      hn::Store(e, d, &tile.at[c][i]);
      sum = hn::Add(sum, e);
    }
    for (int c = 0; c < channels; ++c) hn::Store(hn::Div(hn::Load(d, &tile.at[c][i]), sum), d, &tile.at[c][i]);
  }
}

// Pixels [begin, begin + count), count <= kBlock.
HWY_INLINE void softmax_block(const SoftmaxOp& p, int64_t begin, int count) {
  Tile tile;  // NOLINT(cppcoreguidelines-pro-type-member-init): load_tile fills what is read
  load_tile(p.src + begin * p.src_stride, static_cast<size_t>(p.src_stride), count, p.channels, tile);
  softmax_tile(p.channels, tile);
  for (int i = 0; i < count; ++i) {
    float* out = p.dst + (begin + i) * p.dst_stride;
    for (int c = 0; c < p.channels; ++c) out[c] = tile.at[c][i];
    for (int c = 0; c < p.zero_pad; ++c) out[p.channels + c] = 0.0f;
  }
  if (p.semdist == nullptr) return;
  for (int i = 0; i < count; ++i) {
    float sum = 0.0f;
    for (int level = 0; level + 1 < p.channels; ++level) {
      sum = expected_semdist_step(sum, level, tile.at[1 + level][i]);
    }
    p.semdist[(begin + i) * p.semdist_stride] = sum;
  }
}

void softmax_range(const SoftmaxOp& p, int64_t begin, int64_t end) {
  for (int64_t i = begin; i < end; i += kBlock) {
    softmax_block(p, i, static_cast<int>(std::min<int64_t>(kBlock, end - i)));
  }
}

// `count` pixels of one RoI from its pixel `first` on.
HWY_INLINE void refine_block(const RefineOp& p, int64_t roi, int first, int count) {
  const int64_t begin = roi * p.pixels_per_item + first;
  const size_t stride = static_cast<size_t>(p.logits_stride);
  Tile tile;  // NOLINT(cppcoreguidelines-pro-type-member-init): load_tile fills what is read
  load_tile(p.ilm_logits + begin * p.logits_stride, stride, count, p.channels, tile);
  for (int i = 0; p.residual != nullptr && i < count; ++i) {
    const float* residual = p.residual + (begin + i) * p.logits_stride;
    for (int c = 0; c < p.channels; ++c) tile.at[c][i] += residual[c];
  }
  for (int i = 0; i < count; ++i) {
    LevelArgmax best = {tile.at[1][i], 0};
    for (int level = 1; level + 1 < p.channels; ++level) best = level_argmax_step(best, tile.at[1 + level][i], level);
    p.level[begin + i] = static_cast<uint8_t>(best.level);
  }
  softmax_tile(p.channels, tile);
  for (int c = 0; c < p.channels; ++c) {
    float* plane = p.layers + (roi * p.channels + c) * p.pixels_per_item + first;
    std::copy_n(tile.at[c], count, plane);
  }
  for (int i = 0; i < count; ++i) p.confidence[begin + i] = confidence(tile.at[0][i]);
}

void refine_rois(const RefineOp& p, int64_t begin, int64_t end) {
  for (int64_t roi = begin; roi < end; ++roi) {
    for (int first = 0; first < p.pixels_per_item; first += kBlock) {
      refine_block(p, roi, first, std::min(kBlock, p.pixels_per_item - first));
    }
  }
}

}  // namespace
}  // namespace sln::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace sln::cpu {

void run(const SoftmaxOp& op, void* /*scratch*/, ThreadPool& pool) {
  const auto range = SLN_SELECT(softmax_range);
  pool.parallel_for(int64_t{op.items.count()} * op.pixels_per_item,
                    [&](int64_t begin, int64_t end, int) { range(op, begin, end); });
}

void run(const RefineOp& op, void* /*scratch*/, ThreadPool& pool) {
  const auto rois = SLN_SELECT(refine_rois);
  pool.parallel_for(op.items.count(), [&](int64_t begin, int64_t end, int) { rois(op, begin, end); });
}

}  // namespace sln::cpu
#endif  // HWY_ONCE
