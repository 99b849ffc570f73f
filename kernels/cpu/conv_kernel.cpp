// The convolution's inner loops, compiled for every instruction set: gather a block of pixels' windows, multiply it
// with the panels of a group, finish (bias, residual, activation) and store.
#include <algorithm>
#include <utility>

#include "kernels/cpu/conv_internal.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/conv_kernel.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "kernels/cpu/dispatch.h"

HWY_BEFORE_NAMESPACE();
namespace sln::cpu::HWY_NAMESPACE {
namespace {
namespace hn = hwy::HWY_NAMESPACE;

using Tag = hn::ScalableTag<float>;
using Vec = hn::Vec<Tag>;

constexpr int kLanes = HWY_LANES(float);
constexpr int kWidth = 2 * kLanes;
// 24 sums of the 32 registers of AVX-512, 12 of the 16 of the others; the rest holds weights and broadcast pixels.
constexpr int kRows = HWY_CAP_GE512 ? 12 : 6;
static_assert(kConvMaxRows % kRows == 0, "a gathered block is a number of whole tiles");

// ---- Gathering: the windows of up to kConvMaxRows pixels, each as one row of consecutive floats.

// `ahead` floats after `from` is what the next block will gather. It is fetched into L2 only: L1 holds the block at
// hand.

HWY_INLINE void copy_floats(const float* HWY_RESTRICT from, int64_t count, int64_t ahead, float* HWY_RESTRICT to) {
  const Tag d;
  if (count < kLanes) {
    for (int64_t i = 0; i < count; ++i) to[i] = from[i];
    return;
  }
  int64_t i = 0;
  for (; i + kLanes <= count; i += kLanes) {
    __builtin_prefetch(from + i + ahead, 0, 2);
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

HWY_INLINE Pixel pixel_at(const ConvParams& p, int64_t index) {
  const int64_t row = index / p.out_w;
  return {row / p.out_h, row % p.out_h, index % p.out_w};
}

HWY_INLINE void next(const ConvParams& p, Pixel& pixel) {
  if (++pixel.x < p.out_w) return;
  pixel.x = 0;
  if (++pixel.y < p.out_h) return;
  pixel.y = 0;
  ++pixel.item;
}

// Copies the floats [begin, end) of one pixel's window.
void gather_window(const ConvJob& job, const Pixel& pixel, int64_t begin, int64_t end, float* HWY_RESTRICT to) {
  const ConvParams& p = job.params;
  const int64_t channels = job.desc.in_channels;
  const int64_t kernel = job.desc.kernel;
  const int64_t y0 = pixel.y * job.desc.stride - job.desc.pad;
  const int64_t x0 = pixel.x * job.desc.stride - job.desc.pad;
  const float* map = p.src + pixel.item * p.in_h * p.in_w * p.src_stride;
  // Four floats are copied for three where the map has a fourth (it is overwritten by the next tap).
  const int64_t ahead = int64_t{kConvMaxRows} * job.desc.stride * p.src_stride;
  const bool by_four = channels <= 4 && p.src_stride >= 4;
  const int64_t first = begin / channels;
  int64_t c = begin - first * channels;
  int64_t s = first % kernel;
  int64_t y = y0 + first / kernel * job.desc.dilation;
  while (begin < end) {
    const int64_t x = x0 + s * job.desc.dilation;
    const int64_t count = std::min(channels - c, end - begin);
    if (y < 0 || y >= p.in_h || x < 0 || x >= p.in_w) {
      zero_floats(count, to);
    } else {
      const float* from = map + (y * p.in_w + x) * p.src_stride + c;
      if (by_four && c == 0) {
        const hn::FixedTag<float, 4> d;
        hn::StoreU(hn::LoadU(d, from), d, to);
      } else {
        copy_floats(from, count, ahead, to);
      }
    }
    begin += count;
    to += count;
    c = 0;
    if (++s == kernel) {
      s = 0;
      y += job.desc.dilation;
    }
  }
}

// Rows after the last pixel are zeroed up to a whole tile: they are multiplied, never stored.
void gather_block(const ConvJob& job, int64_t first, int64_t count, int64_t begin, int64_t end,
                  float* HWY_RESTRICT block) {
  Pixel pixel = pixel_at(job.params, first);
  int64_t row = 0;
  for (; row < count; ++row, next(job.params, pixel)) gather_window(job, pixel, begin, end, block + row * kConvRowStep);
  for (; row % kRows != 0; ++row) zero_floats(end - begin, block + row * kConvRowStep);
}

// ---- Finishing.

struct Finish {
  const float* bias = nullptr;      // of the panel, or null
  const float* residual = nullptr;  // of the tile's first pixel and the panel's first channel, or null
  float* dst = nullptr;             // likewise
  int64_t residual_stride = 0;
  int64_t dst_stride = 0;
  Activation activation = Activation::kNone;
  int64_t rows = 0;      // pixels that exist
  int64_t channels = 0;  // channels of the panel that exist
  int64_t written = 0;   // channels that are written, those that do not exist as 0; may pass the panel's end
};

// max(x, 0) as "0 where x < 0, else x": NaN stays NaN and -0 stays -0, as the reference has it.
HWY_INLINE Vec relu(Vec x) {
  return hn::IfThenZeroElse(hn::Lt(x, hn::Zero(Tag())), x);
}
HWY_INLINE Vec relu6(Vec x) {
  const Vec six = hn::Set(Tag(), 6.0f);
  return hn::IfThenElse(hn::Gt(x, six), six, relu(x));
}
HWY_INLINE Vec activate(Activation activation, Vec x) {
  if (activation == Activation::kRelu) return relu(x);
  if (activation == Activation::kRelu6) return relu6(x);
  return x;
}

// A tile that ends before the panel's last channel or before its own last pixel: from the sums in `tile` (kRows,
// width).
void finish_partial(const Finish& f, const float* tile, int width) {
  const Tag d;
  for (int64_t r = 0; r < f.rows; ++r) {
    alignas(64) float row[kWidth];
    for (int i = 0; i < width; i += kLanes) {
      Vec x = hn::Load(d, tile + r * width + i);
      if (f.bias != nullptr) x = hn::Add(x, hn::Load(d, f.bias + i));
      hn::Store(x, d, row + i);
    }
    if (f.residual != nullptr) {
      for (int64_t c = 0; c < f.channels; ++c) row[c] += f.residual[r * f.residual_stride + c];
    }
    for (int i = 0; i < width; i += kLanes) hn::Store(activate(f.activation, hn::Load(d, row + i)), d, row + i);
    float* dst = f.dst + r * f.dst_stride;
    for (int64_t c = 0; c < f.channels; ++c) dst[c] = row[c];
    for (int64_t c = f.channels; c < f.written; ++c) dst[c] = 0.0f;
  }
}

// ---- The tile: kRows pixels times one or two vectors of channels.

struct Tile {
  const float* pixels = nullptr;   // rows of kConvRowStep floats
  const float* weights = nullptr;  // (depth, kVectors * kLanes)
  int64_t depth = 0;
  const float* sums_in = nullptr;  // (kRows, kVectors * kLanes), or null: all +0
  float* sums_out = nullptr;       // used where `finish` is null
  const Finish* finish = nullptr;
};

template <int kVectors>
HWY_INLINE void accumulate(Vec pixel, Vec w0, Vec w1, Vec& sum0, Vec& sum1) {
  sum0 = hn::MulAdd(pixel, w0, sum0);
  if constexpr (kVectors == 2) sum1 = hn::MulAdd(pixel, w1, sum1);
}

template <int kVectors, size_t... kRow>
HWY_INLINE void finish_tile(const Finish& f, Vec* sum0, Vec* sum1, std::index_sequence<kRow...>) {
  const Tag d;
  constexpr int k1 = (kVectors - 1) * kLanes;
  if (f.bias != nullptr) {
    const Vec b0 = hn::Load(d, f.bias);
    const Vec b1 = hn::Load(d, f.bias + k1);
    ((sum0[kRow] = hn::Add(sum0[kRow], b0), sum1[kRow] = hn::Add(sum1[kRow], b1)), ...);
  }
  if (f.residual != nullptr) {
    const float* from = f.residual;
    const int64_t stride = f.residual_stride;
    ((sum0[kRow] = hn::Add(sum0[kRow], hn::LoadU(d, from + kRow * stride)),
      sum1[kRow] = hn::Add(sum1[kRow], hn::LoadU(d, from + kRow * stride + k1))),
     ...);
  }
  if (f.activation == Activation::kRelu) ((sum0[kRow] = relu(sum0[kRow]), sum1[kRow] = relu(sum1[kRow])), ...);
  if (f.activation == Activation::kRelu6) ((sum0[kRow] = relu6(sum0[kRow]), sum1[kRow] = relu6(sum1[kRow])), ...);
  float* to = f.dst;
  const int64_t stride = f.dst_stride;
  // With one vector both stores write the same place, the first vector last.
  ((hn::StoreU(sum1[kRow], d, to + kRow * stride + k1), hn::StoreU(sum0[kRow], d, to + kRow * stride)), ...);
}

template <int kVectors, size_t... kRow>
HWY_INLINE void multiply_tile(const Tile& t, std::index_sequence<kRow...> rows) {
  const Tag d;
  constexpr int kW = kVectors * kLanes;
  constexpr int k1 = (kVectors - 1) * kLanes;  // offset of the second vector
  Vec sum0[kRows];
  Vec sum1[kRows];
  if (t.sums_in == nullptr) {
    ((sum0[kRow] = hn::Zero(d), sum1[kRow] = hn::Zero(d)), ...);
  } else {
    ((sum0[kRow] = hn::Load(d, t.sums_in + kRow * kW), sum1[kRow] = hn::Load(d, t.sums_in + kRow * kW + k1)), ...);
  }
  const float* HWY_RESTRICT pixels = t.pixels;
  const float* HWY_RESTRICT weights = t.weights;
  for (int64_t k = t.depth; k != 0; --k, ++pixels, weights += kW) {
    const Vec w0 = hn::Load(d, weights);
    const Vec w1 = hn::Load(d, weights + k1);
    (accumulate<kVectors>(hn::Set(d, pixels[kRow * kConvRowStep]), w0, w1, sum0[kRow], sum1[kRow]), ...);
  }
  if (t.finish != nullptr) {
    finish_tile<kVectors>(*t.finish, sum0, sum1, rows);
  } else {
    ((hn::Store(sum1[kRow], d, t.sums_out + kRow * kW + k1), hn::Store(sum0[kRow], d, t.sums_out + kRow * kW)), ...);
  }
}

HWY_NOINLINE void multiply_wide(const Tile& t) {
  multiply_tile<2>(t, std::make_index_sequence<kRows>());
}
HWY_NOINLINE void multiply_narrow(const Tile& t) {
  multiply_tile<1>(t, std::make_index_sequence<kRows>());
}

// ---- Blocks.

struct Scratch {
  alignas(64) float block[kConvMaxRows * kConvRowStep];
  alignas(64) float sums[kConvScratchFloats];
  alignas(64) float partial[kRows * kWidth];
};

// A gathered block of pixels in one depth block.
struct Block {
  int64_t pixel = 0;     // first pixel
  int64_t rows = 0;      // pixels, <= kConvMaxRows
  int64_t depth_at = 0;  // first float of the window
  int64_t depth_end = 0;
  float* sums = nullptr;  // (tile, panel of the group, kRows, kWidth)
};

HWY_INLINE Finish make_finish(const ConvJob& job, int64_t pixel, int64_t rows, int panel, int width) {
  const ConvParams& p = job.params;
  const int64_t channel = int64_t{panel} * kWidth;
  Finish f;
  f.bias = job.bias == nullptr ? nullptr : job.bias + channel;
  f.residual = p.residual == nullptr ? nullptr : p.residual + pixel * p.residual_stride + channel;
  f.residual_stride = p.residual_stride;
  f.dst = p.dst + pixel * p.dst_stride + channel;
  f.dst_stride = p.dst_stride;
  f.activation = job.desc.activation;
  f.rows = std::min<int64_t>(kRows, rows);
  f.channels = std::min<int64_t>(width, job.desc.out_channels - channel);
  f.written = panel < job.panels.count - 1 ? width : (job.desc.out_channels + 15) / 16 * 16 - channel;
  return f;
}

// The lines that finishing will read and write, asked for before the multiplication that hides their way from memory.
HWY_INLINE void prefetch_finish(const Finish& f, int width) {
  for (int r = 0; r < kRows; ++r) {
    for (int i = 0; i < width; i += 16) {
      if (f.residual != nullptr) __builtin_prefetch(f.residual + r * f.residual_stride + i, 0);
      __builtin_prefetch(f.dst + r * f.dst_stride + i, 1);
    }
  }
}

// One tile of one panel; `tile` counts the block's tiles.
HWY_INLINE void run_tile(const ConvJob& job, const Block& block, int panel, int64_t tile, float* sums,
                         Scratch& scratch) {
  const ConvPanels& panels = job.panels;
  const bool narrow = panels.narrow && panel == panels.count - 1;
  const int width = narrow ? kLanes : kWidth;
  Tile t;
  t.pixels = scratch.block + tile * kRows * kConvRowStep;
  t.weights = job.weights + panels.offset(panel) + block.depth_at * width;
  t.depth = block.depth_end - block.depth_at;
  t.sums_in = block.depth_at == 0 ? nullptr : sums;
  t.sums_out = sums;

  const bool last = block.depth_end == panels.depth;
  Finish f;
  bool whole = true;
  if (last) {
    f = make_finish(job, block.pixel + tile * kRows, block.rows - tile * kRows, panel, width);
    whole = f.rows == kRows && f.channels == width && f.written == width;
    if (whole) t.finish = &f;
    if (whole) prefetch_finish(f, width);
    if (!whole) t.sums_out = scratch.partial;
  }
  if (narrow) {
    multiply_narrow(t);
  } else {
    multiply_wide(t);
  }
  if (!whole) finish_partial(f, scratch.partial, width);
}

void run_super_block(const ConvJob& job, int64_t begin, int64_t end, int panel_begin, int panel_end, Scratch& scratch) {
  const ConvPlan& plan = job.plan;
  const int64_t panel_sums = int64_t{kRows} * kWidth;
  const int64_t tile_sums = panel_sums * (panel_end - panel_begin);
  for (int64_t b = 0; b < plan.depth_blocks; ++b) {
    Block block;
    block.depth_at = job.panels.depth * b / plan.depth_blocks;
    block.depth_end = job.panels.depth * (b + 1) / plan.depth_blocks;
    block.sums = scratch.sums;
    for (block.pixel = begin; block.pixel < end; block.pixel += kConvMaxRows) {
      block.rows = std::min<int64_t>(kConvMaxRows, end - block.pixel);
      gather_block(job, block.pixel, block.rows, block.depth_at, block.depth_end, scratch.block);
      const int64_t tiles = (block.rows + kRows - 1) / kRows;
      for (int panel = panel_begin; panel < panel_end; ++panel) {
        float* sums = block.sums + (panel - panel_begin) * panel_sums;
        for (int64_t tile = 0; tile < tiles; ++tile)
          run_tile(job, block, panel, tile, sums + tile * tile_sums, scratch);
      }
      if (plan.depth_blocks > 1) block.sums += tiles * tile_sums;
    }
  }
}

void conv_part(const ConvJob& job, const ConvPart& part) {
  Scratch scratch;
  for (int64_t begin = part.begin; begin < part.end; begin += job.plan.super_rows) {
    const int64_t end = std::min(part.end, begin + job.plan.super_rows);
    for (int panel = part.panel_begin; panel < part.panel_end; panel += job.plan.group) {
      run_super_block(job, begin, end, panel, std::min(part.panel_end, panel + job.plan.group), scratch);
    }
  }
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
