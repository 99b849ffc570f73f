#include "importer/reference_gemm.h"

#include <cstring>

namespace sln::importer {
namespace {

// GCC's and Clang's vector types: the same source for every width, without intrinsics.
template <int kLanes>
struct Wide {
  typedef double Type __attribute__((vector_size(kLanes * sizeof(double))));
};

// A block of kRows x (kVectors * kLanes) sums kept in registers over the whole depth.
template <int kLanes, int kRows, int kVectors>
inline __attribute__((always_inline)) void block(const double* a, const double* b, int64_t depth, double* c,
                                                 int64_t c_stride) {
  using Vector = typename Wide<kLanes>::Type;
  Vector sum[kRows][kVectors];
  for (int r = 0; r < kRows; ++r)
    for (int v = 0; v < kVectors; ++v) std::memcpy(&sum[r][v], c + r * c_stride + v * kLanes, sizeof(Vector));
  for (int64_t k = 0; k < depth; ++k) {
    Vector right[kVectors];
    for (int v = 0; v < kVectors; ++v) std::memcpy(&right[v], b + k * kPanelColumns + v * kLanes, sizeof(Vector));
    for (int r = 0; r < kRows; ++r) {
      const double left = a[k * kPanelRows + r];
      for (int v = 0; v < kVectors; ++v) sum[r][v] += left * right[v];
    }
  }
  for (int r = 0; r < kRows; ++r)
    for (int v = 0; v < kVectors; ++v) std::memcpy(c + r * c_stride + v * kLanes, &sum[r][v], sizeof(Vector));
}

template <int kLanes, int kRows, int kVectors>
inline __attribute__((always_inline)) void panel(const double* a, const double* b, int64_t depth, double* c,
                                                 int64_t c_stride) {
  for (int r = 0; r < kPanelRows; r += kRows)
    for (int v = 0; v < kPanelColumns; v += kVectors * kLanes)
      block<kLanes, kRows, kVectors>(a + r, b + v, depth, c + r * c_stride + v, c_stride);
}

void panel_generic(const double* a, const double* b, int64_t depth, double* c, int64_t c_stride) {
  panel<2, 4, 2>(a, b, depth, c, c_stride);
}

#if defined(__x86_64__)
__attribute__((target("avx2"))) void panel_avx2(const double* a, const double* b, int64_t depth, double* c,
                                                int64_t c_stride) {
  panel<4, 4, 3>(a, b, depth, c, c_stride);
}
__attribute__((target("avx512f"))) void panel_avx512(const double* a, const double* b, int64_t depth, double* c,
                                                     int64_t c_stride) {
  panel<8, 8, 3>(a, b, depth, c, c_stride);
}
#endif

}  // namespace

GemmPanel gemm_panel() {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx512f")) return panel_avx512;
  if (__builtin_cpu_supports("avx2")) return panel_avx2;
#endif
  return panel_generic;
}

}  // namespace sln::importer
