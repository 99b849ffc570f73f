// kernels/math in vector form: the same operations in the same order, so the same bits wherever the machine has FMA.
// Included once per instruction set (see dispatch.h).
#if defined(SLN_VECTOR_MATH_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef SLN_VECTOR_MATH_INL_H_
#undef SLN_VECTOR_MATH_INL_H_
#else
#define SLN_VECTOR_MATH_INL_H_
#endif

#include <cstddef>

#include <hwy/highway.h>

#include "kernels/math/activation.h"
#include "kernels/math/bilinear.h"

HWY_BEFORE_NAMESPACE();
namespace sln::cpu::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// 2^n.
template <class DI, class VI>
HWY_INLINE auto vector_exp2_int(DI di, VI n) {
  const hn::RebindToFloat<DI> df;
  return hn::BitCast(df, hn::ShiftLeft<23>(hn::Add(n, hn::Set(di, 127))));
}

// exp() of math/activation.h.
template <class D, class V = hn::Vec<D>>
HWY_INLINE V vector_exp(D d, V x) {
  namespace c = exp_detail;
  const hn::RebindToSigned<D> di;
  const V round = hn::Set(d, c::kRoundToInt);
  const V clamped = hn::Max(hn::Min(x, hn::Set(d, c::kHighest)), hn::Set(d, c::kLowest));
  const V n = hn::Sub(hn::MulAdd(clamped, hn::Set(d, c::kLog2E), round), round);
  const V high = hn::MulAdd(n, hn::Set(d, -c::kLn2High), clamped);
  const V r = hn::MulAdd(n, hn::Set(d, -c::kLn2Low), high);
  V q = hn::MulAdd(hn::Set(d, c::kQ4), r, hn::Set(d, c::kQ3));
  q = hn::MulAdd(q, r, hn::Set(d, c::kQ2));
  q = hn::MulAdd(q, r, hn::Set(d, c::kQ1));
  q = hn::MulAdd(q, r, hn::Set(d, c::kQ0));
  const V p = hn::Add(hn::MulAdd(hn::Mul(r, r), q, r), hn::Set(d, 1.0f));
  const auto exponent = hn::ConvertTo(di, n);
  const auto half = hn::ShiftRight<1>(exponent);
  const V result = hn::Mul(hn::Mul(p, vector_exp2_int(di, half)), vector_exp2_int(di, hn::Sub(exponent, half)));
  return hn::IfThenElse(hn::IsNaN(x), x, result);
}

// lerp() of math/bilinear.h.
template <class V>
HWY_INLINE V vector_lerp(V a, V b, V t) {
  return hn::MulAdd(t, hn::Sub(b, a), a);
}

// Calls body(tag, channel) so that [0, channels) is covered once: full vectors first, then vectors of 4, then single
// channels, so that nothing beyond the last channel is read or written.
template <class Body>
HWY_INLINE void for_each_channel(size_t channels, const Body& body) {
  const hn::ScalableTag<float> full;
  const hn::CappedTag<float, 4> four;
  const hn::CappedTag<float, 1> one;
  size_t c = 0;
  for (; c + hn::Lanes(full) <= channels; c += hn::Lanes(full)) body(full, c);
  for (; c + hn::Lanes(four) <= channels; c += hn::Lanes(four)) body(four, c);
  for (; c < channels; ++c) body(one, c);
}

// Sets channels [channels, ceil16(channels)) of one pixel to 0.
HWY_INLINE void zero_channel_padding(float* pixel, size_t channels) {
  for (size_t c = channels; c % 16 != 0; ++c) pixel[c] = 0.0f;
}

}  // namespace sln::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // SLN_VECTOR_MATH_INL_H_
