// Sum of bilinearly enlarged maps: vectors over channels, threads over output rows.
#include "kernels/upsample_sum.h"

#include <cstddef>
#include <cstdint>

#include "kernels/cpu/parallel.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/upsample_sum.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "kernels/cpu/dispatch.h"
#include "kernels/cpu/vector_math-inl.h"

HWY_BEFORE_NAMESPACE();
namespace sln::cpu::HWY_NAMESPACE {
namespace {

// The four pixels of one source around one output pixel.
struct Corners {
  const float* top_left;
  const float* top_right;
  const float* bottom_left;
  const float* bottom_right;
  float tx, ty;
};

HWY_INLINE Corners corners_at(const UpsampleSumOp::Source& s, const Taps& ty, const Taps& tx) {
  const size_t stride = static_cast<size_t>(s.stride);
  const float* top = s.data + static_cast<size_t>(ty.lo) * s.w * stride;
  const float* bottom = s.data + static_cast<size_t>(ty.hi) * s.w * stride;
  return {top + tx.lo * stride, top + tx.hi * stride, bottom + tx.lo * stride, bottom + tx.hi * stride, tx.t, ty.t};
}

template <class D>
HWY_INLINE hn::Vec<D> read_bilinear(D d, const Corners& at, size_t c) {
  const auto tx = hn::Set(d, at.tx);
  const auto top = vector_lerp(hn::LoadU(d, at.top_left + c), hn::LoadU(d, at.top_right + c), tx);
  const auto bottom = vector_lerp(hn::LoadU(d, at.bottom_left + c), hn::LoadU(d, at.bottom_right + c), tx);
  return vector_lerp(top, bottom, hn::Set(d, at.ty));
}

void upsample_sum_rows(const UpsampleSumOp& p, int64_t begin, int64_t end) {
  const hn::CappedTag<float, 16> d;  // channels are a multiple of 16
  const size_t channels = static_cast<size_t>(p.channels);
  for (int64_t y = begin; y < end; ++y) {
    Taps rows[3];
    for (int i = 0; i < p.count; ++i) {
      const auto& s = p.sources[i];
      rows[i] = clamped_taps(half_pixel(static_cast<int>(y), static_cast<float>(s.h) / static_cast<float>(p.h)), s.h);
    }
    for (int x = 0; x < p.w; ++x) {
      Corners at[3];
      for (int i = 0; i < p.count; ++i) {
        const auto& s = p.sources[i];
        const float ratio = static_cast<float>(s.w) / static_cast<float>(p.w);
        at[i] = corners_at(s, rows[i], clamped_taps(half_pixel(x, ratio), s.w));
      }
      float* out = p.dst + (static_cast<size_t>(y) * p.w + x) * p.dst_stride;
      for (size_t c = 0; c < channels; c += hn::Lanes(d)) {
        auto sum = read_bilinear(d, at[0], c);
        for (int i = 1; i < p.count; ++i) sum = hn::Add(sum, read_bilinear(d, at[i], c));
        hn::StoreU(sum, d, out + c);
      }
    }
  }
}

}  // namespace
}  // namespace sln::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace sln::cpu {

void run(const UpsampleSumOp& op, void* /*scratch*/, ThreadPool& pool) {
  const auto rows = SLN_SELECT(upsample_sum_rows);
  pool.parallel_for(op.h, [&](int64_t begin, int64_t end, int) { rows(op, begin, end); });
}

}  // namespace sln::cpu
#endif  // HWY_ONCE
