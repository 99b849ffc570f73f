// Softmax over up to 16 channels of a pixel, and the expected sem-dist of what it gives:
//   e_c = exp(z_c - max z), p_c = e_c / sum e, the sum in channel order; semdist = fmaf chain of (1 - l) * p_(1+l)
// in the operations and the order of kernels/cpu/semdist.cpp, so the bytes are the same. A NaN makes the sum NaN, and
// with it every p.
//
// One thread a pixel: sums over so few channels need no help, and a pixel's exponentials stay in registers. Blocks of
// 128 threads: the maps are small (a 32 x 32 one makes 8 blocks), and smaller blocks reach more SMs.
#include "kernels/cuda/checks.h"
#include "kernels/cuda/launch.cuh"
#include "kernels/cuda/ops.h"
#include "kernels/cuda/quads.cuh"
#include "kernels/math/activation.h"
#include "kernels/math/semdist.h"

namespace sln::cuda {
namespace {

constexpr int kThreads = 128;
constexpr int kMaxChannels = 16;

// Channels that do not exist are 0 in `values`: all loops over them have a constant length, or they were no registers.
__device__ __forceinline__ void read_pixel(const SoftmaxOp& p, int pixel, float (&values)[kMaxChannels]) {
  const float* const from = p.src + pixel * p.src_stride;
  const bool quads = has_quads(p.src, p.src_stride);
  SLN_UNROLL(4)
  for (int c = 0; c < kMaxChannels; c += 4) {
    const float4 v = load_quad(from + c, p.channels - c, quads);
    values[c] = v.x, values[c + 1] = v.y, values[c + 2] = v.z, values[c + 3] = v.w;
  }
}

// Logits to probabilities, in place.
__device__ __forceinline__ void softmax(int channels, float (&values)[kMaxChannels]) {
  float largest = values[0];
  SLN_UNROLL(16)
  for (int c = 1; c < kMaxChannels; ++c) {
    if (c < channels) largest = largest > values[c] ? largest : values[c];
  }
  float sum = 0.0f;
  SLN_UNROLL(16)
  for (int c = 0; c < kMaxChannels; ++c) {
    if (c >= channels) continue;
    values[c] = sln::exp(values[c] - largest);
    sum += values[c];
  }
  SLN_UNROLL(16)
  for (int c = 0; c < kMaxChannels; ++c) {
    if (c < channels) values[c] = values[c] / sum;
  }
}

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
  const int pixel = static_cast<int>(blockIdx.x) * kThreads + static_cast<int>(threadIdx.x);
  if (pixel >= p.items.count() * p.pixels_per_item) return;
  float values[kMaxChannels];
  read_pixel(p, pixel, values);
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

int run(const SoftmaxOp& op, void* /*scratch*/, Stream stream) {
  if (op.items.room <= 0 || op.pixels_per_item <= 0) return cudaSuccess;
  check(op);
  const int64_t pixels = int64_t{op.items.room} * op.pixels_per_item;
  const dim3 grid(static_cast<unsigned>((pixels + kThreads - 1) / kThreads));
  return launch(softmax_kernel, grid, dim3(kThreads), 0, stream, op);
}

}  // namespace sln::cuda
