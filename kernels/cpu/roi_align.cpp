// RoIAlign: vectors over channels, threads over the rows of all RoIs.
#include "kernels/roi_align.h"

#include <cstddef>
#include <cstdint>

#include "kernels/cpu/parallel.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/roi_align.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "kernels/cpu/dispatch.h"
#include "kernels/cpu/vector_math-inl.h"

HWY_BEFORE_NAMESPACE();
namespace sln::cpu::HWY_NAMESPACE {
namespace {

constexpr int kRoiSamples = 2;  // per bin and axis

// The pixels that one bin reads, in the order of their sum: samples row by row, in each the corners row by row.
struct BinTaps {
  const float* pixel[kRoiSamples * kRoiSamples * 4] = {};
  float weight[kRoiSamples * kRoiSamples * 4] = {};
  int count = 0;
};

HWY_INLINE void add_sample(const RoiAlignOp& p, const RoiTaps& y, const RoiTaps& x, BinTaps& taps) {
  if (!y.inside || !x.inside) return;
  const size_t stride = static_cast<size_t>(p.src_stride);
  const float* top = p.src + static_cast<size_t>(y.lo) * p.w * stride;
  const float* bottom = p.src + static_cast<size_t>(y.hi) * p.w * stride;
  const float* pixels[4] = {top + x.lo * stride, top + x.hi * stride, bottom + x.lo * stride, bottom + x.hi * stride};
  const float weights[4] = {y.weight_lo * x.weight_lo, y.weight_lo * x.weight_hi, y.weight_hi * x.weight_lo,
                            y.weight_hi * x.weight_hi};
  for (int i = 0; i < 4; ++i) {
    taps.pixel[taps.count] = pixels[i];
    taps.weight[taps.count] = weights[i];
    ++taps.count;
  }
}

HWY_INLINE RoiTaps taps_of(float begin, float end, float scale, int bin, int bins, int sample, int size) {
  return roi_taps(roi_sample_position(begin, end, scale, bin, bins, sample, kRoiSamples), size);
}

// Rows [begin, end) of all RoIs' bins, numbered through.
void roi_align_rows(const RoiAlignOp& p, int64_t begin, int64_t end) {
  const size_t channels = static_cast<size_t>(p.channels);
  for (int64_t row = begin; row < end; ++row) {
    const float* box = p.boxes + row / p.side * 4;
    const int bin_y = static_cast<int>(row % p.side);
    RoiTaps y[kRoiSamples];
    for (int s = 0; s < kRoiSamples; ++s) y[s] = taps_of(box[1], box[3], p.scale, bin_y, p.side, s, p.h);
    for (int bin_x = 0; bin_x < p.side; ++bin_x) {
      BinTaps taps;
      RoiTaps x[kRoiSamples];
      for (int s = 0; s < kRoiSamples; ++s) x[s] = taps_of(box[0], box[2], p.scale, bin_x, p.side, s, p.w);
      for (int s = 0; s < kRoiSamples * kRoiSamples; ++s) add_sample(p, y[s / kRoiSamples], x[s % kRoiSamples], taps);
      float* out = p.dst + (static_cast<size_t>(row) * p.side + bin_x) * p.dst_stride;
      for_each_channel(channels, [&](auto d, size_t c) HWY_ATTR {
        auto sum = hn::Zero(d);
        for (int i = 0; i < taps.count; ++i) {
          sum = hn::MulAdd(hn::Set(d, taps.weight[i]), hn::LoadU(d, taps.pixel[i] + c), sum);
        }
        hn::StoreU(hn::Mul(sum, hn::Set(d, 1.0f / (kRoiSamples * kRoiSamples))), d, out + c);
      });
      zero_channel_padding(out, channels);
    }
  }
}

}  // namespace
}  // namespace sln::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace sln::cpu {

void run(const RoiAlignOp& op, void* /*scratch*/, ThreadPool& pool) {
  const auto rows = SLN_SELECT(roi_align_rows);
  pool.parallel_for(int64_t{op.items.count()} * op.side,
                    [&](int64_t begin, int64_t end, int) { rows(op, begin, end); });
}

}  // namespace sln::cpu
#endif  // HWY_ONCE
