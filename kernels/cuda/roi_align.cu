// RoIAlign: each bin of a RoI is the mean of 2 x 2 samples, each read bilinearly: one fmaf chain from +0 over samples
// and their corners, row by row, then times 1/4; samples outside of the map are left out. The operations and the order
// of kernels/cpu/roi_align.cpp.
//
// A block makes one row of bins of one RoI: the places of its samples are worked out once, by its first threads, and
// kept in shared memory. Then a thread takes four channels of a bin at a time: 16 reads of neighbouring quads for one
// write. 128 threads: P = 28 bins of 272 channels are 15 turns, of 80 channels 4.4.
#include "kernels/cuda/checks.h"
#include "kernels/cuda/launch.cuh"
#include "kernels/cuda/ops.h"
#include "kernels/cuda/quads.cuh"
#include "kernels/math/bilinear.h"

namespace sln::cuda {
namespace {

constexpr int kThreads = 128;
constexpr int kSamples = 2;     // per bin and axis
constexpr int kMaxSide = 1024;  // of a RoI: what shared memory has room for

__device__ __forceinline__ RoiTaps taps_of(float begin, float end, float scale, int bin, int bins, int sample,
                                           int size) {
  return roi_taps(roi_sample_position(begin, end, scale, bin, bins, sample, kSamples), size);
}

__device__ __forceinline__ float4 add_corner(const RoiAlignOp& p, int y, int x, int channel, float weight, bool quads,
                                             const float4& sum) {
  const float* const from = p.src + ((y * p.w + x) * p.src_stride + channel);
  return fma_quad(all_of(weight), load_quad(from, p.channels - channel, quads), sum);
}

__device__ __forceinline__ float4 add_sample(const RoiAlignOp& p, const RoiTaps& y, const RoiTaps& x, int channel,
                                             bool quads, float4 sum) {
  if (!y.inside || !x.inside) return sum;
  sum = add_corner(p, y.lo, x.lo, channel, y.weight_lo * x.weight_lo, quads, sum);
  sum = add_corner(p, y.lo, x.hi, channel, y.weight_lo * x.weight_hi, quads, sum);
  sum = add_corner(p, y.hi, x.lo, channel, y.weight_hi * x.weight_lo, quads, sum);
  return add_corner(p, y.hi, x.hi, channel, y.weight_hi * x.weight_hi, quads, sum);
}

__global__ void __launch_bounds__(kThreads) roi_align_kernel(RoiAlignOp p) {
  SLN_DYN_SHARED(RoiTaps, columns);  // (side, kSamples)
  SLN_SHARED(RoiTaps, rows, [kSamples]);
  const int roi = static_cast<int>(blockIdx.x) / p.side;
  const int bin_y = static_cast<int>(blockIdx.x) - roi * p.side;
  if (roi >= p.items.count()) return;  // the whole block: there is room, but no RoI
  const int thread = static_cast<int>(threadIdx.x);
  const float* const box = p.boxes + roi * 4;
  for (int i = thread; i < p.side * kSamples; i += kThreads) {
    columns[i] = taps_of(box[0], box[2], p.scale, i / kSamples, p.side, i % kSamples, p.w);
  }
  if (thread < kSamples) rows[thread] = taps_of(box[1], box[3], p.scale, bin_y, p.side, thread, p.h);
  __syncthreads();

  const int quads_per_bin = ceil16(p.channels) / 4;
  const bool src_quads = has_quads(p.src, p.src_stride);
  const bool dst_quads = has_quads(p.dst, p.dst_stride);
  float* const dst = p.dst + static_cast<int>(blockIdx.x) * p.side * p.dst_stride;
  for (int i = thread; i < p.side * quads_per_bin; i += kThreads) {
    const int bin = i / quads_per_bin;
    const int channel = (i - bin * quads_per_bin) * 4;
    float4 sum = all_of(0.0f);
    SLN_UNROLL(4)
    for (int s = 0; s < kSamples * kSamples; ++s) {
      sum = add_sample(p, rows[s / kSamples], columns[bin * kSamples + s % kSamples], channel, src_quads, sum);
    }
    constexpr float kMean = 1.0f / (kSamples * kSamples);
    const float4 out = make_float4(sum.x * kMean, sum.y * kMean, sum.z * kMean, sum.w * kMean);
    store_quad(dst + (bin * p.dst_stride + channel), out, 4, dst_quads);
  }
}

void check(bool holds, const char* what) {
  require(holds, "roi_align", what);
}

void check(const RoiAlignOp& op) {
  check(op.h > 0 && op.w > 0, "map without pixels");
  check_channels(op.channels, "roi_align");
  check(op.side > 0 && op.side <= kMaxSide, "side must be in 1..1024");
  check(op.src_stride >= op.channels, "src_stride is below channels");
  check(op.dst_stride >= ceil16(op.channels), "dst_stride is below ceil16(channels)");
  check_buffers(op, "roi_align");
}

}  // namespace

size_t scratch_bytes(const RoiAlignOp& op) {
  if (op.items.room > 0) check(op);
  return 0;
}

int run(const RoiAlignOp& op, void* /*scratch*/, Stream stream) {
  if (op.items.room <= 0) return cudaSuccess;
  check(op);
  const dim3 grid(static_cast<unsigned>(op.items.room * op.side));
  const size_t columns = static_cast<size_t>(op.side) * kSamples * sizeof(RoiTaps);
  return launch(roi_align_kernel, grid, dim3(kThreads), columns, stream, op);
}

}  // namespace sln::cuda
