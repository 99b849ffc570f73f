// Softmax (softmax.cuh) of every pixel of a map, and the expected sem-dist of what it gives: the fmaf chain of
// (1 - l) * p_(1+l) from 0, levels ascending. Fused, so that the probabilities are not read again.
//
// One thread a pixel: sums over so few channels need no help, and a pixel's exponentials stay in registers. Blocks of
// 128 threads: the maps are small (a 32 x 32 one makes 8 blocks), and smaller blocks reach more SMs.
#include "kernels/cuda/checks.h"
#include "kernels/cuda/launch.cuh"
#include "kernels/cuda/ops.h"
#include "kernels/cuda/quads.cuh"
#include "kernels/cuda/softmax.cuh"
#include "kernels/math/semdist.h"

namespace sln::cuda {
namespace {

constexpr int kThreads = 128;

// The channels, then zero_pad zeros.
__device__ __forceinline__ void write_pixel(const SoftmaxOp& p, int pixel, const float (&values)[kMaxChannels]) {
  float* const to = p.dst + pixel * p.dst_stride;
  const bool quads = has_quads(p.dst, p.dst_stride);
  const int written = p.channels + p.zero_pad;
  SLN_UNROLL(4)
  for (int c = 0; c < kMaxChannels; c += 4) {
    const float4 v = make_float4(values[c], values[c + 1], values[c + 2], values[c + 3]);
    store_quad(to + c, v, written - c, quads);
  }
  for (int c = kMaxChannels; c < written; ++c) to[c] = 0.0f;
}

__global__ void __launch_bounds__(kThreads) softmax_kernel(SoftmaxOp p) {
  const int pixel = thread_number();
  if (pixel >= p.items.count() * p.pixels_per_item) return;
  float values[kMaxChannels];
  read_pixel(p.src + pixel * p.src_stride, p.channels, has_quads(p.src, p.src_stride), values);
  softmax(p.channels, values);
  write_pixel(p, pixel, values);
  if (p.semdist == nullptr) return;
  float sum = 0.0f;
  SLN_UNROLL(16)
  for (int level = 0; level + 1 < kMaxChannels; ++level) {
    if (level + 1 < p.channels) sum = expected_semdist_step(sum, level, values[1 + level]);
  }
  p.semdist[pixel * p.semdist_stride] = sum;
}

void check(bool holds, const char* what) {
  require(holds, "softmax", what);
}

void check(const SoftmaxOp& op) {
  check(op.channels >= 1 && op.channels <= kMaxChannels, "channels must be in 1..16");
  check(op.zero_pad >= 0, "zero_pad must not be negative");
  check(op.src_stride >= op.channels, "src_stride is below channels");
  check(op.dst_stride >= int64_t{op.channels} + op.zero_pad, "dst_stride is below channels + zero_pad");
  check(op.semdist == nullptr || op.semdist_stride >= 1, "semdist_stride must be positive");
  check_buffers(op, "softmax");
}

}  // namespace

size_t scratch_bytes(const SoftmaxOp& op) {
  if (op.items.room > 0 && op.pixels_per_item > 0) check(op);
  return 0;
}

int run(const SoftmaxOp& op, void* /*scratch*/, Stream stream) {
  if (op.items.room <= 0 || op.pixels_per_item <= 0) return cudaSuccess;
  check(op);
  const int64_t pixels = int64_t{op.items.room} * op.pixels_per_item;
  return launch(softmax_kernel, grid_for(pixels, kThreads), dim3(kThreads), 0, stream, op);
}

}  // namespace sln::cuda
