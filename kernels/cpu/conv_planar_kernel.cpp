// The convolution for a few output channels, compiled for every instruction set: vectors over pixels instead of over
// channels, so that all lanes count. A patch of the map is turned into rows of pixels first, (row, channel, column);
// then each lane is one pixel's chain over (row, column, channel) of its window, as the definition has it.
#include <algorithm>

#include "kernels/cpu/conv_internal.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/conv_planar_kernel.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "kernels/cpu/activation-inl.h"
#include "kernels/cpu/dispatch.h"

HWY_BEFORE_NAMESPACE();
namespace sln::cpu::HWY_NAMESPACE {
namespace {
namespace hn = hwy::HWY_NAMESPACE;

using Tag = hn::ScalableTag<float>;
constexpr int kLanes = HWY_LANES(float);

struct Scratch {
  alignas(64) float patch[kConvScratchFloats];                    // (row, channel, kConvPatchStride)
  alignas(64) float sums[kConvPlanarChannels * kConvPatchWidth];  // (channel, column) of a row of outputs
  alignas(64) float zeros[kConvScratchFloats / kConvPatchStride];
};

// The outputs of a patch: rows [y, y + rows) and columns [x, x + columns) of an item.
struct Patch {
  int64_t item = 0;
  int64_t y = 0;
  int64_t rows = 0;
  int64_t x = 0;
  int64_t columns = 0;
};

// Turns four pixels of `channels` consecutive floats each into `channels` groups of four, kConvPatchStride apart. What
// lies `ahead` floats after them is turned next and fetched. That address may lie outside of the map: it is a number,
// never a pointer that is read.
HWY_INLINE void turn_pixels(const float* const* pixels, int64_t channels, int64_t ahead, float* HWY_RESTRICT to) {
  const hn::FixedTag<float, 4> d;
  const hn::Repartition<double, decltype(d)> pairs;
  int64_t c = 0;
  for (; c + 4 <= channels; c += 4) {
    // Four steps take four lines, one of each pixel.
    const uintptr_t line =
        reinterpret_cast<uintptr_t>(pixels[c / 4 % 4]) + static_cast<uintptr_t>(ahead + c / 16 * 16) * sizeof(float);
    __builtin_prefetch(reinterpret_cast<const void*>(line));
    const auto a = hn::LoadU(d, pixels[0] + c);
    const auto b = hn::LoadU(d, pixels[1] + c);
    const auto e = hn::LoadU(d, pixels[2] + c);
    const auto f = hn::LoadU(d, pixels[3] + c);
    const auto ab0 = hn::BitCast(pairs, hn::InterleaveLower(d, a, b));
    const auto ab2 = hn::BitCast(pairs, hn::InterleaveUpper(d, a, b));
    const auto ef0 = hn::BitCast(pairs, hn::InterleaveLower(d, e, f));
    const auto ef2 = hn::BitCast(pairs, hn::InterleaveUpper(d, e, f));
    float* row = to + c * kConvPatchStride;
    hn::Store(hn::BitCast(d, hn::InterleaveLower(pairs, ab0, ef0)), d, row);
    hn::Store(hn::BitCast(d, hn::InterleaveUpper(pairs, ab0, ef0)), d, row + kConvPatchStride);
    hn::Store(hn::BitCast(d, hn::InterleaveLower(pairs, ab2, ef2)), d, row + 2 * kConvPatchStride);
    hn::Store(hn::BitCast(d, hn::InterleaveUpper(pairs, ab2, ef2)), d, row + 3 * kConvPatchStride);
  }
  for (; c < channels; ++c) {
    for (int i = 0; i < 4; ++i) to[c * kConvPatchStride + i] = pixels[i][c];
  }
}

// All that the patch's windows see, 0 outside of the map.
void turn_patch(const ConvJob& job, const Patch& patch, Scratch& scratch) {
  const ConvOp& p = job.op;
  const int64_t channels = p.desc.in_channels;
  const int64_t kernel = p.desc.kernel;
  const int64_t left = patch.x - p.desc.pad;
  // Up to the last column that a vector of outputs reads.
  const int64_t width = (patch.columns + kLanes - 1) / kLanes * kLanes + kernel - 1;
  float* to = scratch.patch;
  for (int64_t r = 0; r < patch.rows + kernel - 1; ++r, to += channels * kConvPatchStride) {
    const int64_t y = patch.y - p.desc.pad + r;
    const bool inside = y >= 0 && y < p.in_h;
    const float* row = inside ? p.src + (patch.item * p.in_h + y) * p.in_w * p.src_stride : nullptr;
    for (int64_t column = 0; column < width; column += 4) {
      const float* pixels[4];
      for (int64_t i = 0; i < 4; ++i) {
        const int64_t x = left + column + i;
        pixels[i] = inside && x >= 0 && x < p.in_w ? row + x * p.src_stride : scratch.zeros;
      }
      turn_pixels(pixels, channels, int64_t{p.in_w} * p.src_stride, to + column);
    }
  }
}

// kVectors vectors of neighbouring outputs, all their channels. patch: where the windows of the first output begin.
template <int kVectors, int kOutputs>
HWY_INLINE void multiply(const ConvJob& job, const float* HWY_RESTRICT patch, float* HWY_RESTRICT sums) {
  const Tag d;
  using V = hn::Vec<Tag>;
  V sum[kOutputs][kVectors];
  for (auto& row : sum) {
    for (V& s : row) s = hn::Zero(d);
  }
  const int64_t channels = job.op.desc.in_channels;
  const int64_t width = job.panels.last_width;
  const float* HWY_RESTRICT weights = job.op.weights.weights;
  for (int r = 0; r < job.op.desc.kernel; ++r, patch += channels * kConvPatchStride) {
    for (int s = 0; s < job.op.desc.kernel; ++s) {
      const float* HWY_RESTRICT from = patch + s;
      for (int64_t c = 0; c < channels; ++c, from += kConvPatchStride, weights += width) {
        V x[kVectors];
        for (int v = 0; v < kVectors; ++v) x[v] = hn::LoadU(d, from + v * kLanes);
        for (int o = 0; o < kOutputs; ++o) {
          const V w = hn::Set(d, weights[o]);
          for (int v = 0; v < kVectors; ++v) sum[o][v] = hn::MulAdd(x[v], w, sum[o][v]);
        }
      }
    }
  }
  for (int o = 0; o < kOutputs; ++o) {
    for (int v = 0; v < kVectors; ++v) hn::Store(sum[o][v], d, sums + o * kConvPatchWidth + v * kLanes);
  }
}

template <int kOutputs>
void multiply_row(const ConvJob& job, const float* patch, int64_t columns, float* sums) {
  // As many sums as the registers hold.
  constexpr int kVectors = kOutputs <= 5 || HWY_CAP_GE512 ? 2 : 1;
  int64_t x = 0;
  for (; x + (kVectors - 1) * kLanes < columns; x += kVectors * kLanes) {
    multiply<kVectors, kOutputs>(job, patch + x, sums + x);
  }
  if (x < columns) multiply<1, kOutputs>(job, patch + x, sums + x);
}

using MultiplyRow = void (*)(const ConvJob& job, const float* patch, int64_t columns, float* sums);
constexpr MultiplyRow kMultiplyRow[kConvPlanarChannels] = {multiply_row<1>, multiply_row<2>, multiply_row<3>,
                                                           multiply_row<4>, multiply_row<5>, multiply_row<6>,
                                                           multiply_row<7>, multiply_row<8>};

// Bias, residual and activation of a row of outputs that begins with output pixel `first`.
void finish_row(const ConvJob& job, int64_t first, int64_t columns, const float* HWY_RESTRICT sums) {
  const hn::CappedTag<float, 1> d;
  const ConvOp& p = job.op;
  const int64_t channels = p.desc.out_channels;
  for (int64_t x = 0; x < columns; ++x, ++sums) {
    const float* residual = p.residual == nullptr ? nullptr : p.residual + (first + x) * p.residual_stride;
    float* dst = p.dst + (first + x) * p.dst_stride;
    for (int64_t c = 0; c < channels; ++c) {
      float sum = sums[c * kConvPatchWidth];
      if (job.op.weights.bias != nullptr) sum += job.op.weights.bias[c];
      if (residual != nullptr) sum += residual[c];
      dst[c] = hn::GetLane(activate(d, p.desc.activation, hn::Set(d, sum)));
    }
    std::fill(dst + channels, dst + 16, 0.0f);  // ceil16(out_channels) are written
  }
}

// The outputs [part.begin, part.end): whole rows of them, in patches of as many rows as the scratch holds.
void planar_part(const ConvJob& job, const ConvPart& part) {
  Scratch scratch;
  const ConvOp& p = job.op;
  const int64_t row_floats = int64_t{p.desc.in_channels} * kConvPatchStride;
  const int64_t most = kConvScratchFloats / row_floats - (p.desc.kernel - 1);
  std::fill_n(scratch.zeros, p.desc.in_channels, 0.0f);
  const MultiplyRow multiply_one = kMultiplyRow[p.desc.out_channels - 1];
  const int64_t last = part.end / p.out_w;
  for (int64_t row = part.begin / p.out_w; row < last;) {
    Patch patch;
    patch.item = row / p.out_h;
    patch.y = row % p.out_h;
    patch.rows = std::min({most, p.out_h - patch.y, last - row});
    for (; patch.x < p.out_w; patch.x += kConvPatchWidth) {
      patch.columns = std::min<int64_t>(kConvPatchWidth, p.out_w - patch.x);
      turn_patch(job, patch, scratch);
      for (int64_t r = 0; r < patch.rows; ++r) {
        multiply_one(job, scratch.patch + r * row_floats, patch.columns, scratch.sums);
        finish_row(job, (row + r) * p.out_w + patch.x, patch.columns, scratch.sums);
      }
    }
    row += patch.rows;
  }
}

}  // namespace
}  // namespace sln::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace sln::cpu {
ConvKernel conv_planar_kernel(Isa isa) {
  return SLN_SELECT_FOR(isa, planar_part);
}
}  // namespace sln::cpu
#endif
