// The activations in vector form. Included once per instruction set (see dispatch.h).
#if defined(SLN_ACTIVATION_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef SLN_ACTIVATION_INL_H_
#undef SLN_ACTIVATION_INL_H_
#else
#define SLN_ACTIVATION_INL_H_
#endif

#include <hwy/highway.h>

#include "kernels/conv.h"

HWY_BEFORE_NAMESPACE();
namespace sln::cpu::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// max(x, 0) as "0 where x < 0, else x": NaN stays NaN and -0 stays -0, as the convolution's definition has it.
template <class D, class V = hn::Vec<D>>
HWY_INLINE V relu(D d, V x) {
  return hn::IfThenZeroElse(hn::Lt(x, hn::Zero(d)), x);
}
// relu(x), 6 where it is above 6; NaN stays NaN.
template <class D, class V = hn::Vec<D>>
HWY_INLINE V relu6(D d, V x) {
  const V six = hn::Set(d, 6.0f);
  return hn::IfThenElse(hn::Gt(x, six), six, relu(d, x));
}
template <class D, class V = hn::Vec<D>>
HWY_INLINE V activate(D d, Activation activation, V x) {
  if (activation == Activation::kRelu) return relu(d, x);
  if (activation == Activation::kRelu6) return relu6(d, x);
  return x;
}

}  // namespace sln::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // SLN_ACTIVATION_INL_H_
