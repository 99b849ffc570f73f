// How a kernel file is compiled for every instruction set and how the one that isa() names is picked.
//
// kernels/CMakeLists.txt makes SSE4 Highway's baseline target, so that its foreach_target.h compiles a file for exactly
// SSE4, AVX2 and AVX3 (AVX-512 F, BW, DQ, VL: what every AVX-512 server and Skylake-X has). SLN_SELECT then picks by
// isa(), never by Highway's own choice, so that SLN_ISA rules over every kernel alike.
//
// A complete kernel file, kernels/cpu/scale.cpp:
//
//   #include "kernels/scale.h"
//
//   #include "kernels/cpu/parallel.h"
//
//   #undef HWY_TARGET_INCLUDE
//   #define HWY_TARGET_INCLUDE "kernels/cpu/scale.cpp"
//   #include <hwy/foreach_target.h>
//   #include <hwy/highway.h>
//
//   #include "kernels/cpu/dispatch.h"
//
//   HWY_BEFORE_NAMESPACE();
//   namespace sln::cpu::HWY_NAMESPACE {
//   namespace {
//   namespace hn = hwy::HWY_NAMESPACE;
//
//   void scale_range(const ScaleOp& p, int64_t begin, int64_t end) {
//     const hn::ScalableTag<float> d;
//     ... hn::MulAdd(a, b, c): one rounding on AVX2 and AVX-512, multiply then add on SSE4
//   }
//
//   }  // namespace
//   }  // namespace sln::cpu::HWY_NAMESPACE
//   HWY_AFTER_NAMESPACE();
//
//   #if HWY_ONCE
//   namespace sln::cpu {
//   void run(const ScaleOp& op, void* /*scratch*/, ThreadPool& pool) {
//     const auto range = SLN_SELECT(scale_range);
//     pool.parallel_for(op.pixels, [&](int64_t begin, int64_t end, int) { range(op, begin, end); });
//   }
//   }  // namespace sln::cpu
//   #endif
//
// What to keep to:
// - Everything between HWY_BEFORE_NAMESPACE and HWY_AFTER_NAMESPACE exists three times. Types and functions that do not
//   depend on the target belong into a header or under HWY_ONCE.
// - A lambda between the two needs HWY_ATTR after its parameters, or it is compiled for plain x86-64. Call the pool
//   under HWY_ONCE, as above, and no lambda is needed.
// - An inline function of kernels/math gets its caller's instruction set only where the compiler inlines it, so mark
//   it as always inlined there, or std::fmaf is a call into libm (right, but slow).
// - Where results must be the same bit for bit on AVX2 and AVX-512, do not let the number of lanes choose the order
//   of a sum.
#pragma once

#include <hwy/detect_targets.h>

#include "kernels/isa.h"

#if HWY_ARCH_X86
#if HWY_TARGETS != (HWY_SSE4 | HWY_AVX2 | HWY_AVX3)
#error \
    "kernels are compiled for SSE4, AVX2 and AVX3; define HWY_BASELINE_TARGETS=HWY_SSE4 as kernels/CMakeLists.txt does"
#endif

// The function of this name that was compiled for isa(). To be used in the namespace that holds HWY_NAMESPACE.
#define SLN_SELECT(function) SLN_SELECT_FOR(::sln::cpu::isa(), function)
// The same for an instruction set of the caller's choice, which the machine must have.
#define SLN_SELECT_FOR(isa, function) \
  ::sln::cpu::select_for(isa, &N_SSE4::function, &N_AVX2::function, &N_AVX3::function)
#else
#error "no instruction set is listed for this architecture"
#endif

namespace sln::cpu {

template <typename Function>
Function* select_for(Isa isa, Function* sse4, Function* avx2, Function* avx512) {
  return isa == Isa::kAvx512 ? avx512 : isa == Isa::kAvx2 ? avx2 : sse4;
}

}  // namespace sln::cpu
