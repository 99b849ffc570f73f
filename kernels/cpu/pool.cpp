// Max and average pooling: vectors over channels, threads over output rows.
#include "kernels/pool.h"

#include <algorithm>
#include <cstdint>
#include <limits>

#include "kernels/cpu/parallel.h"
#include "kernels/math/window.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/pool.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "kernels/cpu/dispatch.h"
#include "kernels/cpu/vector_math-inl.h"

HWY_BEFORE_NAMESPACE();
namespace sln::cpu::HWY_NAMESPACE {
namespace {

// A window's rows and columns.
struct Window {
  Span y, x;
};

// One output pixel, channels [c, c + Lanes(d)).
template <class D>
HWY_INLINE void max_window(D d, const PoolOp& p, const Window& window, size_t c, float* out) {
  auto best = hn::Set(d, -std::numeric_limits<float>::infinity());
  for (int y = window.y.begin; y < window.y.end; ++y) {
    const float* row = p.src + static_cast<size_t>(y) * p.in_w * p.src_stride + c;
    for (int x = window.x.begin; x < window.x.end; ++x) {
      best = hn::Max(best, hn::LoadU(d, row + static_cast<size_t>(x) * p.src_stride));
    }
  }
  hn::StoreU(best, d, out + c);
}

template <class D>
HWY_INLINE void average_window(D d, const PoolOp& p, const Window& window, size_t c, float* out) {
  const float* first = p.src + (static_cast<size_t>(window.y.begin) * p.in_w + window.x.begin) * p.src_stride + c;
  auto sum = hn::LoadU(d, first);
  for (int y = 0; y < p.kernel; ++y) {
    const float* row = first + static_cast<size_t>(y) * p.in_w * p.src_stride;
    for (int x = y == 0 ? 1 : 0; x < p.kernel; ++x) {
      sum = hn::Add(sum, hn::LoadU(d, row + static_cast<size_t>(x) * p.src_stride));
    }
  }
  const float scale = 1.0f / static_cast<float>(p.kernel * p.kernel);
  hn::StoreU(hn::Mul(sum, hn::Set(d, scale)), d, out + c);
}

template <bool kMax>
HWY_INLINE void pool_rows(const PoolOp& p, int64_t begin, int64_t end) {
  const size_t channels = static_cast<size_t>(p.channels);
  for (int64_t y = begin; y < end; ++y) {
    const Span window_rows = on_map(static_cast<int>(y) * p.stride - p.pad, p.kernel, p.in_h);
    for (int x = 0; x < p.out_w; ++x) {
      const Window window = {window_rows, on_map(x * p.stride - p.pad, p.kernel, p.in_w)};
      float* out = p.dst + (static_cast<size_t>(y) * p.out_w + x) * p.dst_stride;
      for_each_channel(channels, [&](auto d, size_t c) HWY_ATTR {
        if (kMax) {
          max_window(d, p, window, c, out);
        } else {
          average_window(d, p, window, c, out);
        }
      });
      zero_channel_padding(out, channels);
    }
  }
}

void max_pool_rows(const PoolOp& p, int64_t begin, int64_t end) {
  pool_rows<true>(p, begin, end);
}
void average_pool_rows(const PoolOp& p, int64_t begin, int64_t end) {
  pool_rows<false>(p, begin, end);
}

}  // namespace
}  // namespace sln::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace sln::cpu {

void run(const PoolOp& op, void* /*scratch*/, ThreadPool& pool) {
  const auto rows = op.kind == PoolKind::kMax ? SLN_SELECT(max_pool_rows) : SLN_SELECT(average_pool_rows);
  pool.parallel_for(op.out_h, [&](int64_t begin, int64_t end, int) { rows(op, begin, end); });
}

}  // namespace sln::cpu
#endif  // HWY_ONCE
