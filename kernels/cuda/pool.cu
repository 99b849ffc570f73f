// Pooling: the largest value of each window, or its sum in the order (row, column) times 1 / (kernel * kernel), in the
// operations of kernels/cpu/pool.cpp. max(a, b) is `a > b ? a : b`, so a NaN lasts until the next value.
//
// A thread makes four channels of one output pixel: windows overlap little, and what neighbours share is in L1. Blocks
// of 128 threads, as the maps become small.
#include <cmath>

#include "kernels/cuda/checks.h"
#include "kernels/cuda/launch.cuh"
#include "kernels/cuda/ops.h"
#include "kernels/cuda/quads.cuh"
#include "kernels/math/window.h"

namespace sln::cuda {
namespace {

constexpr int kThreads = 128;

__device__ __forceinline__ float larger(float a, float b) {
  return a > b ? a : b;
}

// A window's rows and columns.
struct Window {
  Span y, x;
};

// Calls take(values of four channels) for each pixel of the window.
template <class Take>
__device__ __forceinline__ void each_pixel(const PoolOp& p, const Window& window, int channel, const Take& take) {
  const bool quads = has_quads(p.src, p.src_stride);
  for (int y = window.y.begin; y < window.y.end; ++y) {
    for (int x = window.x.begin; x < window.x.end; ++x) {
      take(load_quad(p.src + ((y * p.in_w + x) * p.src_stride + channel), p.channels - channel, quads));
    }
  }
}

__device__ __forceinline__ float4 largest(const PoolOp& p, const Window& window, int channel) {
  float4 best = all_of(-INFINITY);
  each_pixel(p, window, channel, [&](const float4& v) {
    best = make_float4(larger(best.x, v.x), larger(best.y, v.y), larger(best.z, v.z), larger(best.w, v.w));
  });
  return best;
}

// The first value begins the chain: 0 + -0 would be +0.
__device__ __forceinline__ float4 average(const PoolOp& p, const Window& window, int channel) {
  float4 sum = all_of(-0.0f);
  each_pixel(p, window, channel, [&](const float4& v) { sum = add_quad(sum, v); });
  const float scale = 1.0f / static_cast<float>(p.kernel * p.kernel);
  return make_float4(sum.x * scale, sum.y * scale, sum.z * scale, sum.w * scale);
}

__global__ void __launch_bounds__(kThreads) pool_kernel(PoolOp p) {
  const int quads = ceil16(p.channels) / 4;
  const int pixel = thread_number() / quads;
  const int channel = (thread_number() - pixel * quads) * 4;
  const int y = pixel / p.out_w;
  if (y >= p.out_h) return;
  const int x = pixel - y * p.out_w;
  const Window window = {on_map(y * p.stride - p.pad, p.kernel, p.in_h),
                         on_map(x * p.stride - p.pad, p.kernel, p.in_w)};
  const float4 value = p.kind == PoolKind::kMax ? largest(p, window, channel) : average(p, window, channel);
  const int left = p.channels - channel;
  const float4 out = make_float4(left > 0 ? value.x : 0.0f, left > 1 ? value.y : 0.0f, left > 2 ? value.z : 0.0f,
                                 left > 3 ? value.w : 0.0f);
  store_quad(p.dst + (pixel * p.dst_stride + channel), out, 4, has_quads(p.dst, p.dst_stride));
}

void check(bool holds, const char* what) {
  require(holds, "pool", what);
}

void check(const PoolOp& op) {
  check(op.in_h > 0 && op.in_w > 0 && op.out_h > 0 && op.out_w > 0, "map without pixels");
  check_channels(op.channels, "pool");
  check(op.kernel > 0 && op.kernel <= 1024 && op.stride > 0 && op.pad >= 0,
        "kernel must be in 1..1024, stride positive, pad not negative");
  const int64_t last_y = (int64_t{op.out_h} - 1) * op.stride;
  const int64_t last_x = (int64_t{op.out_w} - 1) * op.stride;
  check(last_y <= kMaxElements - 1024 && last_x <= kMaxElements - 1024 && op.pad <= kMaxElements - 1024,
        "windows reach further than 2^31 pixels");
  const bool within = op.pad == 0 && last_y + op.kernel <= op.in_h && last_x + op.kernel <= op.in_w;
  check(op.kind == PoolKind::kMax || within, "the windows of an average must lie on the map");
  check(op.src_stride >= op.channels, "src_stride is below channels");
  check(op.dst_stride >= ceil16(op.channels), "dst_stride is below ceil16(channels)");
  check_buffers(op, "pool");
}

}  // namespace

size_t scratch_bytes(const PoolOp& op) {
  check(op);
  return 0;
}

int run(const PoolOp& op, void* /*scratch*/, Stream stream) {
  check(op);
  const int64_t threads = int64_t{op.out_h} * op.out_w * (ceil16(op.channels) / 4);
  return launch(pool_kernel, grid_for(threads, kThreads), dim3(kThreads), 0, stream, op);
}

}  // namespace sln::cuda
