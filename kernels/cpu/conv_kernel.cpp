// The convolution's inner loops, compiled for every instruction set: gather a block of pixels' windows, multiply it
// with the panels of a group, finish (bias, residual, activation) and store.
#include <algorithm>
#include <utility>

#include "kernels/cpu/conv_internal.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/conv_kernel.cpp"
#include <hwy/cache_control.h>
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "kernels/cpu/activation-inl.h"
#include "kernels/cpu/dispatch.h"

HWY_BEFORE_NAMESPACE();
namespace sln::cpu::HWY_NAMESPACE {
namespace {
namespace hn = hwy::HWY_NAMESPACE;

using Tag = hn::ScalableTag<float>;
using SlimTag = hn::CappedTag<float, 8>;  // for up to 8 channels: half of an AVX-512 register runs twice as often

constexpr int kLanes = HWY_LANES(float);
constexpr int kWidth = 2 * kLanes;
constexpr int kSlimLanes = kLanes < 8 ? kLanes : 8;
// Pixels of a tile: 24 sums of the 32 registers of AVX-512, 12 of the 16 of the others; the rest holds weights and
// broadcast pixels.
constexpr int kRows = HWY_CAP_GE512 ? 12 : 6;
// A last panel of one vector takes a whole block of pixels at once: fewer sums would not hide the latency of their
// additions.
constexpr int kNarrowRows = kConvMaxRows;
static_assert(kConvMaxRows % kRows == 0, "a gathered block is a number of whole tiles");

// ---- Gathering: the windows of up to kConvMaxRows pixels, each as one row of consecutive floats.

// `ahead` floats after `from` is what the next block will gather. It is fetched into L2 only: L1 holds the block at
// hand. The address may lie outside of the map: it is a number, never a pointer that is read.
HWY_INLINE void copy_floats(const float* HWY_RESTRICT from, int64_t count, int64_t ahead, float* HWY_RESTRICT to) {
  const Tag d;
  if (count < kLanes) {
    for (int64_t i = 0; i < count; ++i) to[i] = from[i];
    return;
  }
  const uintptr_t next = reinterpret_cast<uintptr_t>(from) + static_cast<uintptr_t>(ahead) * sizeof(float);
  int64_t i = 0;
  for (; i + kLanes <= count; i += kLanes) {
    __builtin_prefetch(reinterpret_cast<const void*>(next + static_cast<uintptr_t>(i) * sizeof(float)), 0, 2);
    hn::StoreU(hn::LoadU(d, from + i), d, to + i);
  }
  if (i < count) hn::StoreU(hn::LoadU(d, from + count - kLanes), d, to + count - kLanes);
}

HWY_INLINE void zero_floats(int64_t count, float* to) {
  for (int64_t i = 0; i < count; ++i) to[i] = 0.0f;
}

// An output pixel, and where its window starts on the map.
struct Pixel {
  int64_t item = 0;  // of the batch
  int64_t y = 0;
  int64_t x = 0;
};

HWY_INLINE Pixel pixel_at(const ConvOp& p, int64_t index) {
  const int64_t row = index / p.out_w;
  return {row / p.out_h, row % p.out_h, index % p.out_w};
}

HWY_INLINE void next(const ConvOp& p, Pixel& pixel) {
  if (++pixel.x < p.out_w) return;
  pixel.x = 0;
  if (++pixel.y < p.out_h) return;
  pixel.y = 0;
  ++pixel.item;
}

// Copies `taps` groups of up to four floats, four at a time: the fourth of three is overwritten by the next tap, or
// lies in the slack after a row of the block.
HWY_INLINE void copy_small_taps(const float* HWY_RESTRICT from, int64_t step, int64_t taps, int64_t channels,
                                float* HWY_RESTRICT to) {
  const hn::FixedTag<float, 4> d;
  for (int64_t s = 0; s < taps; ++s) hn::StoreU(hn::LoadU(d, from + s * step), d, to + s * channels);
}

// Copies the floats [begin, end) of one pixel's window.
void gather_window(const ConvJob& job, const Pixel& pixel, int64_t begin, int64_t end, float* HWY_RESTRICT to) {
  const ConvOp& p = job.op;
  const int64_t channels = p.desc.in_channels;
  const int64_t kernel = p.desc.kernel;
  const int64_t y0 = pixel.y * p.desc.stride - p.desc.pad;
  const int64_t x0 = pixel.x * p.desc.stride - p.desc.pad;
  const float* map = p.src + pixel.item * p.in_h * p.in_w * p.src_stride;
  const int64_t ahead = int64_t{kConvMaxRows} * p.desc.stride * p.src_stride;
  const int64_t step = int64_t{p.desc.dilation} * p.src_stride;
  const bool small = channels <= 4 && p.src_stride >= 4;
  const bool row_inside = x0 >= 0 && x0 + (kernel - 1) * p.desc.dilation < p.in_w;
  const int64_t first = begin / channels;
  int64_t c = begin - first * channels;
  int64_t s = first % kernel;
  int64_t y = y0 + first / kernel * p.desc.dilation;
  while (begin < end) {
    const int64_t x = x0 + s * p.desc.dilation;
    const bool inside = y >= 0 && y < p.in_h && x >= 0 && x < p.in_w;
    const float* from = inside ? map + (y * p.in_w + x) * p.src_stride + c : nullptr;
    int64_t count = std::min(channels - c, end - begin);
    int64_t taps = 1;
    if (!inside) {
      zero_floats(count, to);
    } else if (small && row_inside && c == 0 && (kernel - s) * channels <= end - begin &&
               from + (kernel - s - 1) * step + 4 <= job.src_end) {
      taps = kernel - s;  // the rest of the window's row at once
      count = taps * channels;
      copy_small_taps(from, step, taps, channels, to);
    } else {
      copy_floats(from, count, ahead, to);
    }
    begin += count;
    to += count;
    c = 0;
    s += taps;
    if (s == kernel) {
      s = 0;
      y += p.desc.dilation;
    }
  }
}

// Instead of gathering: where each pixel's channels of each tap lie, `zeros` where that is outside of the map. rows:
// (tap, kConvMaxRows). Rows after the last pixel point at zeros.
void point_block(const ConvJob& job, int64_t first, int64_t count, const float* zeros, const float** rows) {
  const ConvOp& p = job.op;
  const int kernel = p.desc.kernel;
  std::fill_n(rows, int64_t{kConvMaxRows} * kernel * kernel, zeros);
  Pixel pixel = pixel_at(p, first);
  for (int64_t row = 0; row < count; ++row, next(p, pixel)) {
    const float* map = p.src + pixel.item * p.in_h * p.in_w * p.src_stride;
    const float** to = rows + row;
    int64_t y = pixel.y * p.desc.stride - p.desc.pad;
    for (int r = 0; r < kernel; ++r, y += p.desc.dilation) {
      int64_t x = pixel.x * p.desc.stride - p.desc.pad;
      for (int s = 0; s < kernel; ++s, x += p.desc.dilation, to += kConvMaxRows) {
        if (y >= 0 && y < p.in_h && x >= 0 && x < p.in_w) *to = map + (y * p.in_w + x) * p.src_stride;
      }
    }
  }
}

// Rows after the last pixel are zeroed: they are multiplied, never stored.
void gather_block(const ConvJob& job, int64_t first, int64_t count, int64_t begin, int64_t end,
                  float* HWY_RESTRICT block) {
  Pixel pixel = pixel_at(job.op, first);
  int64_t row = 0;
  for (; row < count; ++row, next(job.op, pixel)) gather_window(job, pixel, begin, end, block + row * kConvRowStep);
  for (; row < kConvMaxRows; ++row) zero_floats(end - begin, block + row * kConvRowStep);
}

// ---- Finishing.

struct Finish {
  const float* bias = nullptr;      // of the panel, or null
  const float* residual = nullptr;  // of the tile's first pixel and the panel's first channel, or null
  float* dst = nullptr;             // likewise
  int64_t residual_stride = 0;
  int64_t dst_stride = 0;
  Activation activation = Activation::kNone;
  bool stream = false;   // dst is written past the caches
  int64_t rows = 0;      // pixels that exist
  int64_t channels = 0;  // channels of the panel that exist
  int64_t written = 0;   // channels that are written, those that do not exist as 0; may pass the panel's end
};

// A tile that ends before the panel's last channel or before its own last pixel: from the sums in `tile` (rows, width).
void finish_partial(const Finish& f, const float* tile, int width) {
  const SlimTag d;
  for (int64_t r = 0; r < f.rows; ++r) {
    alignas(64) float row[kWidth];
    for (int i = 0; i < width; i += kSlimLanes) {
      auto x = hn::Load(d, tile + r * width + i);
      if (f.bias != nullptr) x = hn::Add(x, hn::Load(d, f.bias + i));
      hn::Store(x, d, row + i);
    }
    if (f.residual != nullptr) {
      for (int64_t c = 0; c < f.channels; ++c) row[c] += f.residual[r * f.residual_stride + c];
    }
    for (int i = 0; i < width; i += kSlimLanes) hn::Store(activate(d, f.activation, hn::Load(d, row + i)), d, row + i);
    float* dst = f.dst + r * f.dst_stride;
    for (int64_t c = 0; c < f.channels; ++c) dst[c] = row[c];
    for (int64_t c = f.channels; c < f.written; ++c) dst[c] = 0.0f;
  }
}

// ---- The tile: some pixels times one or two vectors of channels.

struct Tile {
  const float* const* rows = nullptr;  // (segments, pixels): where this part of each pixel's window lies
  int64_t segments = 0;
  int64_t length = 0;              // floats of a segment
  const float* weights = nullptr;  // (segments * length, width)
  const float* sums_in = nullptr;  // (pixels, width), or null: all +0
  float* sums_out = nullptr;       // used where `finish` is null
  const Finish* finish = nullptr;
};

template <int kVectors, class V>
HWY_INLINE void accumulate(V pixel, V w0, V w1, V& sum0, V& sum1) {
  sum0 = hn::MulAdd(pixel, w0, sum0);
  if constexpr (kVectors == 2) sum1 = hn::MulAdd(pixel, w1, sum1);
}

// With one vector, sum1 is never used: what is done to it costs nothing, and its place is the first vector's.
template <int kVectors, class D, class V, size_t... kRow>
HWY_INLINE void finish_tile(D d, const Finish& f, V* sum0, V* sum1, std::index_sequence<kRow...>) {
  const int64_t k1 = (kVectors - 1) * static_cast<int64_t>(hn::Lanes(d));
  if (f.bias != nullptr) {
    const V b0 = hn::Load(d, f.bias);
    const V b1 = hn::Load(d, f.bias + k1);
    ((sum0[kRow] = hn::Add(sum0[kRow], b0), sum1[kRow] = hn::Add(sum1[kRow], b1)), ...);
  }
  if (f.residual != nullptr) {
    const float* from = f.residual;
    const int64_t stride = f.residual_stride;
    ((sum0[kRow] = hn::Add(sum0[kRow], hn::LoadU(d, from + kRow * stride)),
      sum1[kRow] = hn::Add(sum1[kRow], hn::LoadU(d, from + kRow * stride + k1))),
     ...);
  }
  if (f.activation == Activation::kRelu) ((sum0[kRow] = relu(d, sum0[kRow]), sum1[kRow] = relu(d, sum1[kRow])), ...);
  if (f.activation == Activation::kRelu6) ((sum0[kRow] = relu6(d, sum0[kRow]), sum1[kRow] = relu6(d, sum1[kRow])), ...);
  float* to = f.dst;
  const int64_t stride = f.dst_stride;
  if (f.stream) {
    ((hn::Stream(sum1[kRow], d, to + kRow * stride + k1), hn::Stream(sum0[kRow], d, to + kRow * stride)), ...);
  } else {
    ((hn::StoreU(sum1[kRow], d, to + kRow * stride + k1), hn::StoreU(sum0[kRow], d, to + kRow * stride)), ...);
  }
}

template <int kVectors, class D, size_t... kRow>
HWY_INLINE void multiply_tile(D d, const Tile& t, std::index_sequence<kRow...> rows) {
  using V = hn::Vec<D>;
  constexpr size_t kPixels = sizeof...(kRow);
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
  const int64_t width = kVectors * lanes;
  const int64_t k1 = (kVectors - 1) * lanes;  // offset of the second vector
  V sum0[kPixels];
  V sum1[kPixels];
  if (t.sums_in == nullptr) {
    ((sum0[kRow] = hn::Zero(d), sum1[kRow] = hn::Zero(d)), ...);
  } else {
    ((sum0[kRow] = hn::Load(d, t.sums_in + kRow * width), sum1[kRow] = hn::Load(d, t.sums_in + kRow * width + k1)),
     ...);
  }
  const float* HWY_RESTRICT weights = t.weights;
  const float* const* HWY_RESTRICT at = t.rows;
  const int64_t length = t.length;
  for (int64_t segment = t.segments; segment != 0; --segment, at += kPixels) {
    const float* row[kPixels] = {at[kRow]...};
    for (int64_t k = 0; k != length; ++k, weights += width) {
      const V w0 = hn::Load(d, weights);
      const V w1 = hn::Load(d, weights + k1);
      (accumulate<kVectors>(hn::Set(d, row[kRow][k]), w0, w1, sum0[kRow], sum1[kRow]), ...);
    }
  }
  if (t.finish != nullptr) {
    finish_tile<kVectors>(d, *t.finish, sum0, sum1, rows);
  } else {
    float* to = t.sums_out;
    ((hn::Store(sum1[kRow], d, to + kRow * width + k1), hn::Store(sum0[kRow], d, to + kRow * width)), ...);
  }
}

HWY_NOINLINE void multiply_wide(const Tile& t) {
  multiply_tile<2>(Tag(), t, std::make_index_sequence<kRows>());
}
HWY_NOINLINE void multiply_narrow(const Tile& t) {
  multiply_tile<1>(Tag(), t, std::make_index_sequence<kNarrowRows>());
}
HWY_NOINLINE void multiply_slim(const Tile& t) {
  multiply_tile<1>(SlimTag(), t, std::make_index_sequence<kNarrowRows>());
}

// ---- Blocks.

struct Scratch {
  alignas(64) float block[kConvMaxRows * kConvRowStep];
  alignas(64) float sums[kConvScratchFloats];
  alignas(64) float partial[kConvMaxRows * kWidth];
  const float* rows[kConvMaxTaps * kConvMaxRows];  // (tap, pixel) of a block, or its pixels alone where it was gathered
  const float* tile_rows[kConvMaxTaps * kConvMaxRows];  // the same as (tile, tap, pixel of the tile)
};

// A block of pixels in one depth block.
struct Block {
  int64_t pixel = 0;     // first pixel
  int64_t rows = 0;      // pixels, <= kConvMaxRows
  int64_t depth_at = 0;  // first float of the window
  int64_t depth_end = 0;
  int64_t segments = 1;
};

// Reorders (tap, pixel of the block) to (tile, tap, pixel of the tile).
void split_into_tiles(int64_t segments, const float* const* rows, const float** tile_rows) {
  for (int64_t tile = 0; tile < kConvMaxRows / kRows; ++tile) {
    for (int64_t segment = 0; segment < segments; ++segment) {
      for (int r = 0; r < kRows; ++r) *tile_rows++ = rows[segment * kConvMaxRows + tile * kRows + r];
    }
  }
}

HWY_INLINE Finish make_finish(const ConvJob& job, int64_t pixel, int64_t rows, int panel, int width) {
  const ConvOp& p = job.op;
  const int64_t channel = int64_t{panel} * kWidth;
  Finish f;
  f.bias = job.op.weights.bias == nullptr ? nullptr : job.op.weights.bias + channel;
  f.residual = p.residual == nullptr ? nullptr : p.residual + pixel * p.residual_stride + channel;
  f.residual_stride = p.residual_stride;
  f.dst = p.dst + pixel * p.dst_stride + channel;
  f.dst_stride = p.dst_stride;
  f.activation = p.desc.activation;
  f.stream = job.plan.stream;
  f.rows = rows;
  f.channels = std::min<int64_t>(width, p.desc.out_channels - channel);
  f.written = panel < job.panels.count - 1 ? width : ceil16(p.desc.out_channels) - channel;
  return f;
}

// The lines that finishing will read and write, asked for before the multiplication that hides their way from memory.
HWY_INLINE void prefetch_finish(const Finish& f, int width) {
  for (int r = 0; r < f.rows; ++r) {
    for (int i = 0; i < width; i += 16) {
      if (f.residual != nullptr) __builtin_prefetch(f.residual + r * f.residual_stride + i, 0);
      if (!f.stream) __builtin_prefetch(f.dst + r * f.dst_stride + i, 1);
    }
  }
}

// One tile of one panel: the block's pixels from `first` on.
HWY_INLINE void run_tile(const ConvJob& job, const Block& block, int panel, int64_t first, float* sums,
                         Scratch& scratch) {
  const ConvPanels& panels = job.panels;
  const int width = panel == panels.count - 1 ? panels.last_width : kWidth;
  const int tile_rows = width == kWidth ? kRows : kNarrowRows;
  Tile t;
  t.rows = width == kWidth ? scratch.tile_rows + first * block.segments : scratch.rows;
  t.segments = block.segments;
  t.length = (block.depth_end - block.depth_at) / block.segments;
  t.weights = job.op.weights.weights + panels.offset(panel) + block.depth_at * width;
  t.sums_in = block.depth_at == 0 ? nullptr : sums;
  t.sums_out = sums;

  Finish f;
  bool whole = true;
  if (block.depth_end == panels.depth) {
    f = make_finish(job, block.pixel + first, std::min<int64_t>(tile_rows, block.rows - first), panel, width);
    whole = f.rows == tile_rows && f.channels == width && f.written == width;
    prefetch_finish(f, width);
    if (whole) t.finish = &f;
    if (!whole) t.sums_out = scratch.partial;
  }
  if (width == kWidth) {
    multiply_wide(t);
  } else if (width == kLanes) {
    multiply_narrow(t);
  } else {
    multiply_slim(t);
  }
  if (!whole) finish_partial(f, scratch.partial, width);
}

// All panels of the group on one block. sums: (tile, panel, kRows, kWidth).
void run_block(const ConvJob& job, const Block& block, int panel_begin, int panel_end, float* sums, Scratch& scratch) {
  const int64_t panel_sums = int64_t{kRows} * kWidth;
  const int64_t tile_sums = panel_sums * (panel_end - panel_begin);
  for (int panel = panel_begin; panel < panel_end; ++panel, sums += panel_sums) {
    // A panel of one vector needs one tile of two's sums for all of the block's pixels.
    const bool wide = panel < job.panels.count - 1 || job.panels.last_width == kWidth;
    const int64_t step = wide ? kRows : kNarrowRows;
    float* tile = sums;
    for (int64_t first = 0; first < block.rows; first += step, tile += tile_sums) {
      run_tile(job, block, panel, first, tile, scratch);
    }
  }
}

void run_super_block(const ConvJob& job, int64_t begin, int64_t end, int panel_begin, int panel_end, Scratch& scratch) {
  const ConvPlan& plan = job.plan;
  const int64_t block_sums = int64_t{kConvMaxRows} * kWidth * (panel_end - panel_begin);
  for (int64_t b = 0; b < plan.depth_blocks; ++b) {
    Block block;
    block.depth_at = job.panels.depth * b / plan.depth_blocks;
    block.depth_end = job.panels.depth * (b + 1) / plan.depth_blocks;
    block.segments = plan.direct ? int64_t{job.op.desc.kernel} * job.op.desc.kernel : 1;
    float* sums = scratch.sums;
    for (block.pixel = begin; block.pixel < end; block.pixel += kConvMaxRows) {
      block.rows = std::min<int64_t>(kConvMaxRows, end - block.pixel);
      if (plan.direct) {
        point_block(job, block.pixel, block.rows, scratch.block, scratch.rows);
        split_into_tiles(block.segments, scratch.rows, scratch.tile_rows);
      } else {
        gather_block(job, block.pixel, block.rows, block.depth_at, block.depth_end, scratch.block);
      }
      run_block(job, block, panel_begin, panel_end, sums, scratch);
      if (plan.depth_blocks > 1) sums += block_sums;
    }
  }
}

void conv_part(const ConvJob& job, const ConvPart& part) {
  Scratch scratch;
  if (job.plan.direct) {
    zero_floats(job.op.desc.in_channels, scratch.block);
  } else {
    for (int r = 0; r < kConvMaxRows; ++r) scratch.rows[r] = scratch.block + r * kConvRowStep;
    split_into_tiles(1, scratch.rows, scratch.tile_rows);
  }
  for (int64_t begin = part.begin; begin < part.end; begin += job.plan.super_rows) {
    const int64_t end = std::min(part.end, begin + job.plan.super_rows);
    for (int panel = part.panel_begin; panel < part.panel_end; panel += job.plan.group) {
      run_super_block(job, begin, end, panel, std::min(part.panel_end, panel + job.plan.group), scratch);
    }
  }
  if (job.plan.stream) hwy::FlushStream();
}

int tile_rows() {
  return kRows;
}
int lanes() {
  return kLanes;
}

}  // namespace
}  // namespace sln::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace sln::cpu {
int conv_tile_rows(Isa isa) {
  return SLN_SELECT_FOR(isa, tile_rows)();
}
int conv_lanes(Isa isa) {
  return SLN_SELECT_FOR(isa, lanes)();
}
ConvKernel conv_kernel(Isa isa) {
  return SLN_SELECT_FOR(isa, conv_part);
}
}  // namespace sln::cpu
#endif
