// The sum of up to three maps, each enlarged bilinearly to dst's size: lerp(a, b, t) = fmaf(t, b - a, a), along x, then
// along y; the maps are added in their order. The enlarging and the sum are one pass: no enlarged map is written.
//
// A thread makes four channels of one pixel. The channels are neighbours, so a warp reads and writes 512 bytes at a
// time; the four pixels around an output are those around its neighbours, and in L1. Blocks of 256 threads: the output
// is the largest map there is.
#include "kernels/cuda/checks.h"
#include "kernels/cuda/launch.cuh"
#include "kernels/cuda/ops.h"
#include "kernels/cuda/quads.cuh"
#include "kernels/math/bilinear.h"

namespace sln::cuda {
namespace {

constexpr int kThreads = 256;

__device__ __forceinline__ float4 lerp_quad(const float4& a, const float4& b, float t) {
  return make_float4(lerp(a.x, b.x, t), lerp(a.y, b.y, t), lerp(a.z, b.z, t), lerp(a.w, b.w, t));
}

// y, x: the output pixel.
__device__ __forceinline__ float4 enlarged(const UpsampleSumOp& p, const UpsampleSumOp::Source& source, int y, int x,
                                           int channel) {
  const Taps ty = clamped_taps(half_pixel(y, static_cast<float>(source.h) / static_cast<float>(p.h)), source.h);
  const Taps tx = clamped_taps(half_pixel(x, static_cast<float>(source.w) / static_cast<float>(p.w)), source.w);
  const bool quads = has_quads(source.data, source.stride);
  const auto at = [&](int row, int column) {
    return load_quad(source.data + ((row * source.w + column) * source.stride + channel), 4, quads);
  };
  const float4 top = lerp_quad(at(ty.lo, tx.lo), at(ty.lo, tx.hi), tx.t);
  const float4 bottom = lerp_quad(at(ty.hi, tx.lo), at(ty.hi, tx.hi), tx.t);
  return lerp_quad(top, bottom, ty.t);
}

__global__ void __launch_bounds__(kThreads) upsample_sum_kernel(UpsampleSumOp p) {
  const int quads = p.channels / 4;
  const int pixel = thread_number() / quads;
  const int channel = (thread_number() - pixel * quads) * 4;
  const int y = pixel / p.w;
  const int x = pixel - y * p.w;
  if (y >= p.h) return;
  float4 sum = enlarged(p, p.sources[0], y, x, channel);
  if (p.count > 1) sum = add_quad(sum, enlarged(p, p.sources[1], y, x, channel));
  if (p.count > 2) sum = add_quad(sum, enlarged(p, p.sources[2], y, x, channel));
  store_quad(p.dst + (pixel * p.dst_stride + channel), sum, 4, has_quads(p.dst, p.dst_stride));
}

void check(bool holds, const char* what) {
  require(holds, "upsample_sum", what);
}

void check(const UpsampleSumOp& op) {
  check(op.count >= 1 && op.count <= 3, "count must be in 1..3");
  check(op.channels > 0 && op.channels % 16 == 0, "channels must be a positive multiple of 16");
  check(op.h > 0 && op.w > 0, "map without pixels");
  check(op.dst_stride >= op.channels, "dst_stride is below channels");
  for (int i = 0; i < op.count; ++i) {
    check(op.sources[i].h > 0 && op.sources[i].w > 0, "map without pixels");
    check(op.sources[i].stride >= op.channels, "a source's stride is below channels");
  }
  check_buffers(op, "upsample_sum");
}

}  // namespace

size_t scratch_bytes(const UpsampleSumOp& op) {
  check(op);
  return 0;
}

int run(const UpsampleSumOp& op, void* /*scratch*/, Stream stream) {
  check(op);
  const int64_t threads = int64_t{op.h} * op.w * (op.channels / 4);
  return launch(upsample_sum_kernel, grid_for(threads, kThreads), dim3(kThreads), 0, stream, op);
}

}  // namespace sln::cuda
