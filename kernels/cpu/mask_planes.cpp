// Logits of masks to planes: vectors over pixels, threads over RoIs.
#include "kernels/mask_planes.h"

#include <algorithm>
#include <cstddef>
#include <stdexcept>

#include "kernels/cpu/parallel.h"
#include "kernels/math/semdist.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/mask_planes.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "kernels/cpu/dispatch.h"
#include "kernels/cpu/vector_math-inl.h"

HWY_BEFORE_NAMESPACE();
namespace sln::cpu::HWY_NAMESPACE {
namespace {

constexpr int kBlock = 16;  // pixels; a multiple of every vector length

// sigmoid() of math/activation.h on a block, in place.
HWY_INLINE void sigmoid_block(float* x) {
  const hn::CappedTag<float, kBlock> d;
  const auto one = hn::Set(d, 1.0f);
  for (size_t i = 0; i < kBlock; i += hn::Lanes(d))
    hn::Store(hn::Div(one, hn::Add(one, vector_exp(d, hn::Neg(hn::Load(d, x + i))))), d, x + i);
}

// `count` <= kBlock pixels of one RoI from its pixel `first` on.
HWY_INLINE void planes_block(const MaskPlanesOp& p, int64_t roi, int first, int count) {
  const int64_t begin = roi * p.pixels_per_item + first;
  HWY_ALIGN float amodal[kBlock];
  HWY_ALIGN float visible[kBlock];
  for (int i = 0; i < kBlock; ++i) {  // the rest of the block repeats the last pixel: ordinary numbers
    const float* pixel = p.logits + (begin + std::min(i, count - 1)) * p.stride;
    amodal[i] = pixel[0];
    visible[i] = p.masks == 2 ? pixel[1] : 0.0f;
  }
  for (int i = 0; i < count; ++i) p.level[begin + i] = visible[i] < 0.0f ? 1 : 0;
  sigmoid_block(amodal);
  sigmoid_block(visible);
  float* plane = p.layers + roi * (p.masks + 1) * p.pixels_per_item + first;
  for (int i = 0; i < count; ++i) {
    const float rest = 1.0f - amodal[i];
    plane[i] = rest;
    p.confidence[begin + i] = confidence(rest);
    if (p.masks == 1) {
      plane[p.pixels_per_item + i] = amodal[i];
    } else {
      plane[p.pixels_per_item + i] = amodal[i] * visible[i];
      plane[2 * p.pixels_per_item + i] = amodal[i] * (1.0f - visible[i]);
    }
  }
}

void planes_rois(const MaskPlanesOp& p, int64_t begin, int64_t end) {
  for (int64_t roi = begin; roi < end; ++roi)
    for (int first = 0; first < p.pixels_per_item; first += kBlock)
      planes_block(p, roi, first, std::min(kBlock, p.pixels_per_item - first));
}

}  // namespace
}  // namespace sln::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace sln::cpu {

void run(const MaskPlanesOp& op, void* /*scratch*/, ThreadPool& pool) {
  if (op.masks != 1 && op.masks != 2) throw std::invalid_argument("mask_planes: masks must be 1 or 2");
  const auto rois = SLN_SELECT(planes_rois);
  pool.parallel_for(op.items.count(), [&](int64_t begin, int64_t end, int) { rois(op, begin, end); });
}

}  // namespace sln::cpu
#endif  // HWY_ONCE
