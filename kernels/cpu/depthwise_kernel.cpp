// The depthwise convolution's inner loops, compiled for every instruction set: vectors over channels; a pass computes
// several output pixels of a row, so that a loaded pixel serves all windows that it lies in. Pixels are taken from left
// to right and rows from top to bottom: the chain of each output is in the order that the definition states.
#include <algorithm>
#include <utility>

#include "kernels/cpu/depthwise_internal.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/depthwise_kernel.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "kernels/cpu/activation-inl.h"
#include "kernels/cpu/dispatch.h"

HWY_BEFORE_NAMESPACE();
namespace sln::cpu::HWY_NAMESPACE {
namespace {

using Tag = hn::CappedTag<float, 16>;  // channels are padded to 16
using V = hn::Vec<Tag>;

// Input pixels of a row that a pass of kOutputs pixels reads.
constexpr int columns_of(int kernel, int stride, int outputs) {
  return (outputs - 1) * stride + kernel;
}

// Where the pixels of a pass lie: (kernel, columns), `zeros` for those outside of the map.
template <int kKernel, int kStride, int kOutputs>
struct Taps {
  static constexpr int kColumns = columns_of(kKernel, kStride, kOutputs);
  const float* at[kKernel][kColumns];

  void point(const DepthwiseJob& job, int64_t y, int64_t x) {
    const DepthwiseOp& p = job.op;
    const int64_t top = y * kStride - p.desc.pad;
    const int64_t left = x * kStride - p.desc.pad;
    const int64_t first = std::clamp<int64_t>(-left, 0, kColumns);             // columns before it are outside
    const int64_t last = std::clamp<int64_t>(p.in_w - left, first, kColumns);  // and from it on
    for (int64_t r = 0; r < kKernel; ++r) {
      const float** row = at[r];
      const bool inside = top + r >= 0 && top + r < p.in_h;
      const int64_t begin = inside ? first : kColumns;
      const int64_t end = inside ? last : kColumns;
      std::fill(row, row + begin, job.zeros);
      std::fill(row + end, row + kColumns, job.zeros);
      if (begin == end) continue;
      const float* pixel = p.src + ((top + r) * p.in_w + left + begin) * p.src_stride;
      for (int64_t c = begin; c < end; ++c, pixel += p.src_stride) row[c] = pixel;
    }
  }
};

// The outputs whose windows hold column kColumn, if they do.
template <int kKernel, int kStride, int kColumn, size_t... kOutput>
HWY_INLINE void add_column(V x, const V* w, V* sum, std::index_sequence<kOutput...>) {
  const auto step = [&](auto index) HWY_ATTR {
    constexpr int kTap = kColumn - static_cast<int>(decltype(index)::value) * kStride;
    if constexpr (kTap >= 0 && kTap < kKernel) {
      constexpr size_t kAt = decltype(index)::value;
      sum[kAt] = hn::MulAdd(x, w[kTap], sum[kAt]);
    }
  };
  (step(std::integral_constant<size_t, kOutput>()), ...);
}

template <int kKernel, int kStride, int kOutputs, size_t... kColumn>
HWY_INLINE void add_row(const float* const* row, int64_t channel, const V* w, V* sum, std::index_sequence<kColumn...>) {
  const Tag d;
  (add_column<kKernel, kStride, static_cast<int>(kColumn)>(hn::LoadU(d, row[kColumn] + channel), w, sum,
                                                           std::make_index_sequence<kOutputs>()),
   ...);
}

// kOutputs pixels from (y, x) on, all channels.
template <int kKernel, int kStride, int kOutputs>
HWY_INLINE void run_pass(const DepthwiseJob& job, int64_t y, int64_t x) {
  const Tag d;
  using PassTaps = Taps<kKernel, kStride, kOutputs>;
  PassTaps taps;  // NOLINT(cppcoreguidelines-pro-type-member-init): point() fills it
  taps.point(job, y, x);
  const DepthwiseOp& p = job.op;
  float* dst = p.dst + (y * p.out_w + x) * p.dst_stride;
  const int64_t padded = job.padded;
  for (int64_t c = 0; c < padded; c += static_cast<int64_t>(hn::Lanes(d))) {
    V sum[kOutputs];
    for (V& s : sum) s = hn::Zero(d);
    const float* weights = job.op.weights.weights + c;
    for (int r = 0; r < kKernel; ++r) {
      V w[kKernel];
      for (int s = 0; s < kKernel; ++s, weights += padded) w[s] = hn::Load(d, weights);
      add_row<kKernel, kStride, kOutputs>(taps.at[r], c, w, sum, std::make_index_sequence<PassTaps::kColumns>());
    }
    for (int i = 0; i < kOutputs; ++i) {
      if (job.op.weights.bias != nullptr) sum[i] = hn::Add(sum[i], hn::Load(d, job.op.weights.bias + c));
      hn::StoreU(activate(d, p.desc.activation, sum[i]), d, dst + i * p.dst_stride + c);
    }
  }
}

template <int kKernel, int kStride>
HWY_INLINE void run_rows(const DepthwiseJob& job, int64_t begin, int64_t end) {
  const int64_t width = job.op.out_w;
  for (int64_t y = begin; y < end; ++y) {
    if (width < kDepthwiseOutputs) {
      for (int64_t x = 0; x < width; ++x) run_pass<kKernel, kStride, 1>(job, y, x);
      continue;
    }
    // The last pass may compute pixels of the one before it again: to the same bits.
    for (int64_t x = 0; x < width; x += kDepthwiseOutputs)
      run_pass<kKernel, kStride, kDepthwiseOutputs>(job, y, std::min(x, width - kDepthwiseOutputs));
  }
}

void rows_3x3(const DepthwiseJob& job, int64_t begin, int64_t end) {
  run_rows<3, 1>(job, begin, end);
}
void rows_3x3_stride_2(const DepthwiseJob& job, int64_t begin, int64_t end) {
  run_rows<3, 2>(job, begin, end);
}
void rows_5x5(const DepthwiseJob& job, int64_t begin, int64_t end) {
  run_rows<5, 1>(job, begin, end);
}
void rows_5x5_stride_2(const DepthwiseJob& job, int64_t begin, int64_t end) {
  run_rows<5, 2>(job, begin, end);
}

}  // namespace
}  // namespace sln::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace sln::cpu {
DepthwiseKernel depthwise_kernel(Isa isa, const DepthwiseDesc& desc) {
  if (desc.kernel == 3 && desc.stride == 1) return SLN_SELECT_FOR(isa, rows_3x3);
  if (desc.kernel == 3) return SLN_SELECT_FOR(isa, rows_3x3_stride_2);
  if (desc.stride == 1) return SLN_SELECT_FOR(isa, rows_5x5);
  return SLN_SELECT_FOR(isa, rows_5x5_stride_2);
}
}  // namespace sln::cpu
#endif
