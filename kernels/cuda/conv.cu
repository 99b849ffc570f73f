// Direct convolution as an implicit matrix product: rows are the output pixels of all items, columns are output
// channels, the depth is the window in the order (row r, column s, channel c). Every output is
//   activation(fmaf chain from +0 over (r, s, c) of map * weight + bias + residual)
// in exactly this order: the bytes of kernels/cpu/conv_kernel.cpp. Bias, residual and activation are fused.
//
// A block makes 128 pixels times 128 channels with 256 threads, or times 64 channels with 128 threads, a thread 8 x 8
// outputs: 16 floats from shared memory feed 64 fmaf, and at most 128 registers let 512 threads live on an SM. With
// 4 x 4 outputs a thread, shared memory would be the limit. Of each axis a thread has two groups of four, half a tile
// apart, and a warp is 4 threads down (pixels) by 8 across (channels): what it reads at a time is 4 or 8 neighbouring
// quads of one row, which touch every bank at most once, and what it writes is 128 bytes of each pixel.
//
// The depth is taken kConvDepth floats at a time, two quads of channels, which may belong to different taps. The next
// piece is fetched into registers while the threads multiply with this one; shared memory is double-buffered, so that
// one barrier a piece suffices.
#include <cmath>

#include "kernels/cuda/activate.cuh"
#include "kernels/cuda/checks.h"
#include "kernels/cuda/conv_panels.h"
#include "kernels/cuda/launch.cuh"
#include "kernels/cuda/ops.h"
#include "kernels/cuda/quads.cuh"

namespace sln::cuda {
namespace {

constexpr int kPixels = 128;  // of a block
constexpr int kOutputs = 8;   // of a thread, on either axis
// Floats of a row of the pixel tile. The even threads of a warp store 16 pixels of one row while the odd ones store
// them four rows further: these lie 16 banks from the others.
constexpr int kRow = kPixels + 4;
constexpr int kFarOutside = -(1 << 30);       // a row that no map and no window reaches
constexpr int64_t kMaxReach = (1 << 30) - 1;  // of the last window's last tap, pixels
constexpr int kBehind = 4;  // taps behind a window's last that a quad's place may come to, more than there are

using PixelTile = float[kConvDepth][kRow];
template <int kColumns>
using WeightTile = float[kConvDepth][kColumns];

// The window of an output pixel.
struct Window {
  int map;   // floats from src to the item's map
  int y, x;  // of the first tap; y is kFarOutside where the pixel does not exist
};

__device__ __forceinline__ Window window_at(const ConvOp& p, int pixel, int pixels) {
  if (pixel >= pixels) return {0, kFarOutside, 0};
  const int row = pixel / p.out_w;
  const int item = row / p.out_h;
  const int y = (row - item * p.out_h) * p.desc.stride - p.desc.pad;
  const int x = (pixel - row * p.out_w) * p.desc.stride - p.desc.pad;
  return {item * (p.in_h * p.in_w * p.src_stride), y, x};
}

// A quad's place in every window. Behind the last tap, r >= kernel.
struct Tap {
  int r, s, c;
};

// tap_channels: in_channels rounded up to whole quads.
__device__ __forceinline__ void advance(Tap& tap, int channels, int tap_channels, int kernel) {
  tap.c += channels;
  while (tap.c >= tap_channels) {
    tap.c -= tap_channels;
    if (++tap.s == kernel) {
      tap.s = 0;
      ++tap.r;
    }
  }
}

// 0 outside of the map, and where no channel is.
__device__ __forceinline__ float4 read_map(const ConvOp& p, const Window& window, const Tap& tap, bool quads) {
  const int y = window.y + tap.r * p.desc.dilation;
  const int x = window.x + tap.s * p.desc.dilation;
  const bool inside = tap.r < p.desc.kernel && y >= 0 && y < p.in_h && x >= 0 && x < p.in_w;
  if (!inside) return all_of(0.0f);
  const float* const from = p.src + (window.map + (y * p.in_w + x) * p.src_stride + tap.c);
  return load_quad(from, p.desc.in_channels - tap.c, quads);
}

// Brings pieces of the depth from global to shared memory. Threads 2i and 2i + 1 fetch the two quads of pixel i, and of
// pixel i + 64 where there are only 128 threads; the weights of a piece are one block of memory.
template <int kColumns>
struct Loader {
  static constexpr int kThreads = kPixels * kColumns / (kOutputs * kOutputs);
  static constexpr int kPixelQuads = kPixels * kConvDepth / 4 / kThreads;
  static_assert(kColumns * kConvDepth / 4 == kThreads, "a thread brings one quad of weights");

  Window windows[kPixelQuads];
  float4 pixel_quads[kPixelQuads];
  float4 weight_quad;
  const float* weights;
  Tap tap;
  int tap_channels;
  int thread;
  bool quads;

  __device__ __forceinline__ Loader(const ConvOp& p, int first, int pixels, int weights_at)
      : weights(p.weights.weights + weights_at),
        tap{0, 0, 0},
        tap_channels((p.desc.in_channels + 3) / 4 * 4),
        thread(static_cast<int>(threadIdx.x)),
        quads(has_quads(p.src, p.src_stride)) {
    SLN_UNROLL(2)
    for (int i = 0; i < kPixelQuads; ++i) windows[i] = window_at(p, first + thread / 2 + i * (kThreads / 2), pixels);
    advance(tap, thread % 2 * 4, tap_channels, p.desc.kernel);
    weights += thread * 4;
  }

  __device__ __forceinline__ void fetch(const ConvOp& p) {
    SLN_UNROLL(2)
    for (int i = 0; i < kPixelQuads; ++i) pixel_quads[i] = read_map(p, windows[i], tap, quads);
    advance(tap, kConvDepth, tap_channels, p.desc.kernel);
    weight_quad = vec<float4>(weights)[0];
    weights += kConvDepth * kColumns;
  }

  __device__ __forceinline__ void put(PixelTile& pixel_tile, WeightTile<kColumns>& weight_tile) const {
    SLN_UNROLL(2)
    for (int i = 0; i < kPixelQuads; ++i) {
      float* const to = &pixel_tile[thread % 2 * 4][thread / 2 + i * (kThreads / 2)];
      to[0] = pixel_quads[i].x;
      to[kRow] = pixel_quads[i].y;
      to[2 * kRow] = pixel_quads[i].z;
      to[3 * kRow] = pixel_quads[i].w;
    }
    vec<float4>(&weight_tile[0][0])[thread] = weight_quad;
  }
};

// One piece of every chain. down, across: the thread's first pixel and column.
template <int kColumns>
__device__ __forceinline__ void multiply(const PixelTile& pixel_tile, const WeightTile<kColumns>& weight_tile, int down,
                                         int across, float (&sums)[kOutputs][kOutputs]) {
  SLN_UNROLL(2)
  for (int k = 0; k < kConvDepth; ++k) {
    const float4 a0 = vec<float4>(&pixel_tile[k][down])[0];
    const float4 a1 = vec<float4>(&pixel_tile[k][kPixels / 2 + down])[0];
    const float4 b0 = vec<float4>(&weight_tile[k][across])[0];
    const float4 b1 = vec<float4>(&weight_tile[k][kColumns / 2 + across])[0];
    const float a[kOutputs] = {a0.x, a0.y, a0.z, a0.w, a1.x, a1.y, a1.z, a1.w};
    const float b[kOutputs] = {b0.x, b0.y, b0.z, b0.w, b1.x, b1.y, b1.z, b1.w};
    SLN_UNROLL(8)
    for (int i = 0; i < kOutputs; ++i) {
      SLN_UNROLL(8)
      for (int j = 0; j < kOutputs; ++j) sums[i][j] = std::fmaf(a[i], b[j], sums[i][j]);
    }
  }
}

// What follows the chain.
__device__ __forceinline__ float finish(const ConvOp& p, float sum, float bias, float residual) {
  if (p.weights.bias != nullptr) sum += bias;
  if (p.residual != nullptr) sum += residual;
  return activate(p.desc.activation, sum);
}

// Finishes and writes four channels of a thread's pixels, of which the first is `down`; their sums begin at `column`.
// Where the residual lies at dst itself, each thread reads what it is about to overwrite, and nobody else does.
__device__ __forceinline__ void write(const ConvOp& p, int down, int pixels, int channel, int column,
                                      const float (&sums)[kOutputs][kOutputs]) {
  const int left = p.desc.out_channels - channel;
  const bool dst_quads = has_quads(p.dst, p.dst_stride);
  const bool residual_quads = has_quads(p.residual, p.residual_stride);
  const float4 none = all_of(0.0f);
  const float4 bias = p.weights.bias == nullptr ? none : vec<float4>(p.weights.bias + channel)[0];
  SLN_UNROLL(8)
  for (int i = 0; i < kOutputs; ++i) {
    const int pixel = down + i % 4 + i / 4 * (kPixels / 2);
    if (pixel >= pixels) continue;
    float4 residual = none;
    if (p.residual != nullptr) {
      residual = load_quad(p.residual + (pixel * p.residual_stride + channel), left, residual_quads);
    }
    const float* const sum = &sums[i][column];
    float4 out = none;
    if (left > 0) out.x = finish(p, sum[0], bias.x, residual.x);
    if (left > 1) out.y = finish(p, sum[1], bias.y, residual.y);
    if (left > 2) out.z = finish(p, sum[2], bias.z, residual.z);
    if (left > 3) out.w = finish(p, sum[3], bias.w, residual.w);
    store_quad(p.dst + (pixel * p.dst_stride + channel), out, 4, dst_quads);
  }
}

// panels: of the weights; pieces: of the depth. Blocks that share pixels are neighbours, so that these are in L2.
template <int kColumns>
__global__ void __launch_bounds__(Loader<kColumns>::kThreads, 512 / Loader<kColumns>::kThreads)
    conv_kernel(ConvOp p, int panels, int pieces) {
  SLN_SHARED(float, pixel_tiles, [2][kConvDepth][kRow]);
  SLN_SHARED(float, weight_tiles, [2][kConvDepth][kColumns]);
  const int pixels = p.batch.count() * p.out_h * p.out_w;
  const int tile = static_cast<int>(blockIdx.x) / panels;
  const int panel = static_cast<int>(blockIdx.x) - tile * panels;
  const int first = tile * kPixels;
  if (first >= pixels) return;  // the whole block: there is room, but no item

  const int warp = static_cast<int>(threadIdx.x) / kWarp;
  const int lane = static_cast<int>(threadIdx.x) % kWarp;
  const int down = (warp / (kColumns / 64) * 4 + lane / 8) * 4;
  const int across = (warp % (kColumns / 64) * 8 + lane % 8) * 4;
  Loader<kColumns> loader(p, first, pixels, panel * (pieces * kConvDepth * kColumns));
  float sums[kOutputs][kOutputs] = {};
  loader.fetch(p);
  loader.put(pixel_tiles[0], weight_tiles[0]);
  __syncthreads();
  for (int piece = 0; piece < pieces; ++piece) {
    const int now = piece & 1;
    const bool more = piece + 1 < pieces;
    if (more) loader.fetch(p);
    multiply<kColumns>(pixel_tiles[now], weight_tiles[now], down, across, sums);
    if (more) loader.put(pixel_tiles[now ^ 1], weight_tiles[now ^ 1]);
    __syncthreads();
  }

  SLN_UNROLL(2)
  for (int j = 0; j < kOutputs; j += 4) {
    const int channel = panel * kColumns + across + j / 4 * (kColumns / 2);
    if (channel < ceil16(p.desc.out_channels)) write(p, first + down, pixels, channel, j, sums);
  }
}

void check(bool holds, const char* what) {
  require(holds, "conv", what);
}

void check(const ConvOp& op, const ConvPanels& panels) {
  const ConvDesc& desc = op.desc;
  check(op.weights.weights != nullptr && op.weights.layout == panels.layout(), "weights were not packed by cuda::pack");
  check(op.weights.bytes == panels.bytes(), "weights were packed for another shape");
  const char* const fault = fault_of(op);
  check(fault == nullptr, fault);
  check(op.residual != op.dst || op.residual_stride == op.dst_stride, "the residual is dst, with another stride");
  const int64_t last = op.out_h > op.out_w ? op.out_h : op.out_w;
  check(last * desc.stride + int64_t{desc.kernel + kBehind} * desc.dilation <= kMaxReach && desc.pad <= kMaxReach,
        "windows reach further than 2^30 pixels");
  check_buffers(op, "conv");
}

}  // namespace

size_t scratch_bytes(const ConvOp& op) {
  if (op.batch.room > 0) check(op, conv_panels(op.desc));
  return 0;
}

int run(const ConvOp& op, void* /*scratch*/, Stream stream) {
  if (op.batch.room <= 0) return cudaSuccess;
  const ConvPanels panels = conv_panels(op.desc);
  check(op, panels);
  const int64_t pixels = int64_t{op.batch.room} * op.out_h * op.out_w;
  const dim3 grid(static_cast<unsigned>((pixels + kPixels - 1) / kPixels * panels.count));
  const int pieces = static_cast<int>(panels.depth / kConvDepth);
  if (panels.width == 64) {
    return launch(conv_kernel<64>, grid, dim3(Loader<64>::kThreads), 0, stream, op, panels.count, pieces);
  }
  return launch(conv_kernel<128>, grid, dim3(Loader<128>::kThreads), 0, stream, op, panels.count, pieces);
}

}  // namespace sln::cuda
