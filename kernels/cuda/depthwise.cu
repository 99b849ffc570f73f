// Depthwise convolution: every channel has its own window,
//   activation(fmaf chain from +0 over (row r, column s) of map * weight + bias),
// taps outside of the map reading 0, in the order of kernels/cpu/depthwise_kernel.cpp. Bias and activation are fused.
//
// A thread makes four channels of kOutputs neighbouring pixels of a row, so that what it has read of the map serves all
// windows that it lies in: with a 3 x 3 window 18 reads instead of 36. Neighbouring threads have neighbouring channels:
// a warp reads 512 bytes of each pixel. Blocks of 128 threads, since the last maps are small: 8 x 8 pixels of 1152
// channels are 36 blocks.
#include "kernels/cuda/activate.cuh"
#include "kernels/cuda/checks.h"
#include "kernels/cuda/depthwise_layout.h"
#include "kernels/cuda/launch.cuh"
#include "kernels/cuda/ops.h"
#include "kernels/cuda/quads.cuh"

namespace sln::cuda {
namespace {

constexpr int kThreads = 128;
constexpr int kOutputs = 4;  // pixels of a thread

__device__ __forceinline__ float4 read_map(const DepthwiseOp& p, int y, int x, int channel, bool quads) {
  const bool inside = y >= 0 && y < p.in_h && x >= 0 && x < p.in_w;
  if (!inside) return all_of(0.0f);
  return load_quad(p.src + ((y * p.in_w + x) * p.src_stride + channel), 4, quads);
}

// Adds row r of the windows to the sums. y, x: the first tap of the first window.
template <int kKernel, int kStride>
__device__ __forceinline__ void add_row(const DepthwiseOp& p, int r, int y, int x, int channel,
                                        float4 (&sums)[kOutputs]) {
  const bool quads = has_quads(p.src, p.src_stride);
  const int padded = ceil16(p.desc.channels);
  float4 weights[kKernel];
  SLN_UNROLL(8)
  for (int s = 0; s < kKernel; ++s) {
    weights[s] = vec<float4>(p.weights.weights + ((r * kKernel + s) * padded + channel))[0];
  }
  SLN_UNROLL(16)
  for (int column = 0; column < (kOutputs - 1) * kStride + kKernel; ++column) {
    const float4 value = read_map(p, y + r, x + column, channel, quads);
    SLN_UNROLL(4)
    for (int i = 0; i < kOutputs; ++i) {
      const int s = column - i * kStride;
      if (s >= 0 && s < kKernel) sums[i] = fma_quad(value, weights[s], sums[i]);
    }
  }
}

// groups: of kOutputs pixels in a row.
template <int kKernel, int kStride>
__global__ void __launch_bounds__(kThreads) depthwise_kernel(DepthwiseOp p, int groups) {
  const int quads = ceil16(p.desc.channels) / 4;
  const int group = thread_number() / quads;
  const int channel = (thread_number() - group * quads) * 4;
  const int y = group / groups;
  const int x = (group - y * groups) * kOutputs;
  if (y >= p.out_h) return;
  float4 sums[kOutputs] = {};
  SLN_UNROLL(8)
  for (int r = 0; r < kKernel; ++r) {
    add_row<kKernel, kStride>(p, r, y * kStride - p.desc.pad, x * kStride - p.desc.pad, channel, sums);
  }
  const bool dst_quads = has_quads(p.dst, p.dst_stride);
  SLN_UNROLL(4)
  for (int i = 0; i < kOutputs; ++i) {
    if (x + i >= p.out_w) continue;
    float4 out = sums[i];
    if (p.weights.bias != nullptr) out = add_quad(out, vec<float4>(p.weights.bias + channel)[0]);
    out = make_float4(activate(p.desc.activation, out.x), activate(p.desc.activation, out.y),
                      activate(p.desc.activation, out.z), activate(p.desc.activation, out.w));
    store_quad(p.dst + ((y * p.out_w + x + i) * p.dst_stride + channel), out, 4, dst_quads);
  }
}

void check(bool holds, const char* what) {
  require(holds, "depthwise", what);
}

void check(const DepthwiseOp& op) {
  const DepthwiseDesc& desc = op.desc;
  check(op.weights.weights != nullptr && op.weights.layout == kDepthwiseLayout,
        "weights were not packed by cuda::pack");
  check(op.weights.bytes == packed_bytes(desc), "weights were packed for another shape");
  const char* const fault = fault_of(op);
  check(fault == nullptr, fault);
  check(op.out_h <= kMaxElements / 4 && op.out_w <= kMaxElements / 4, "windows reach further than 2^30 pixels");
  check_buffers(op, "depthwise");
}

int64_t groups_of(const DepthwiseOp& op) {
  return (int64_t{op.out_w} + kOutputs - 1) / kOutputs;
}

}  // namespace

size_t scratch_bytes(const DepthwiseOp& op) {
  check(op);
  return 0;
}

int run(const DepthwiseOp& op, void* /*scratch*/, Stream stream) {
  check(op);
  const DepthwiseDesc& desc = op.desc;
  const auto kernel = desc.kernel == 3 ? (desc.stride == 1 ? depthwise_kernel<3, 1> : depthwise_kernel<3, 2>)
                                       : (desc.stride == 1 ? depthwise_kernel<5, 1> : depthwise_kernel<5, 2>);
  const int64_t threads = op.out_h * groups_of(op) * (ceil16(desc.channels) / 4);
  return launch(kernel, grid_for(threads, kThreads), dim3(kThreads), 0, stream, op, static_cast<int>(groups_of(op)));
}

}  // namespace sln::cuda
