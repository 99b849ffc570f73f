// What the emulator costs, on one worker unless EMU_THREADS says otherwise: threads without and with barriers,
// warp exchanges, and a convolution's inner loop (a 128 x 128 x 8 tile of a matrix product).
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <ctime>

#include "kernels/cuda/launch.cuh"

namespace {

using sln::cuda::vec;

struct Params {
  const float* a = nullptr;
  const float* b = nullptr;
  float* c = nullptr;
  int n = 0;
};

__global__ void scale(Params p) {
  const unsigned i = blockIdx.x * blockDim.x + threadIdx.x;
  const float4 v = vec<const float4>(p.a)[i];
  vec<float4>(p.c)[i] = make_float4(v.x * 2.0f, v.y * 2.0f, v.z * 2.0f, v.w * 2.0f);
}

__global__ void barriers(Params p) {
  for (int i = 0; i < p.n; ++i) __syncthreads();
}

__global__ void exchanges(Params p) {
  float v = static_cast<float>(threadIdx.x);
  for (int i = 0; i < p.n; ++i) v += __shfl_xor_sync(sln::cuda::kAllLanes, v, 1);
  p.c[blockIdx.x * blockDim.x + threadIdx.x] = v;
}

// c = a^T b for a (n, 128), b (n, 128), one block. 256 threads, 8 x 8 outputs each.
__global__ void __launch_bounds__(256) product(Params p) {
  SLN_SHARED(float, tile_a, [2][8][132]);
  SLN_SHARED(float, tile_b, [2][8][128]);
  const int thread = static_cast<int>(threadIdx.x);
  const int row = thread / 32;
  const int column = thread % 32 * 4;
  const int down = thread / 16 * 4;
  const int across = thread % 16 * 4;
  float sums[8][8] = {};
  for (int k = 0; k < p.n; k += 8) {
    const int buffer = k / 8 & 1;
    vec<float4>(&tile_a[buffer][row][column])[0] = vec<const float4>(p.a + (k + row) * 128 + column)[0];
    vec<float4>(&tile_b[buffer][row][column])[0] = vec<const float4>(p.b + (k + row) * 128 + column)[0];
    __syncthreads();
    SLN_UNROLL(2)
    for (int d = 0; d < 8; ++d) {
      const float4 a0 = vec<float4>(&tile_a[buffer][d][down])[0];
      const float4 a1 = vec<float4>(&tile_a[buffer][d][64 + down])[0];
      const float4 b0 = vec<float4>(&tile_b[buffer][d][across])[0];
      const float4 b1 = vec<float4>(&tile_b[buffer][d][64 + across])[0];
      const float a[8] = {a0.x, a0.y, a0.z, a0.w, a1.x, a1.y, a1.z, a1.w};
      const float b[8] = {b0.x, b0.y, b0.z, b0.w, b1.x, b1.y, b1.z, b1.w};
      SLN_UNROLL(8)
      for (int i = 0; i < 8; ++i) {
        SLN_UNROLL(8)
        for (int j = 0; j < 8; ++j) sums[i][j] = std::fmaf(a[i], b[j], sums[i][j]);
      }
    }
  }
  for (int i = 0; i < 8; ++i) {
    for (int j = 0; j < 8; ++j) {
      p.c[(down + i % 4 + i / 4 * 64) * 128 + across + j % 4 + j / 4 * 64] = sums[i][j];
    }
  }
}

template <class Run>
void measure(const char* what, double units, const Run& run) {
  double best = 1e9;
  for (int i = 0; i < 5; ++i) {
    // Of the processor, not of the clock: the machine may be shared.
    const std::clock_t begin = std::clock();
    if (run() != cudaSuccess) std::exit(1);
    const double taken = static_cast<double>(std::clock() - begin) / CLOCKS_PER_SEC;
    best = taken < best ? taken : best;
  }
  std::printf("%-40s %8.1f M/s\n", what, units / best * 1e-6);
}

}  // namespace

int main() {
  setenv("EMU_THREADS", "1", 0);
  constexpr unsigned kFloats = 1u << 24;
  float* memory = nullptr;
  if (cudaMalloc(&memory, 2 * kFloats * sizeof(float)) != cudaSuccess) return 1;
  cudaMemset(memory, 0, kFloats * sizeof(float));
  Params p = {memory, memory + (1 << 20), memory + kFloats, 0};
  using sln::cuda::launch;
  measure("threads, a float4 each", kFloats / 4,
          [&] { return launch(scale, dim3(kFloats / 1024), dim3(256), 0, nullptr, p); });
  p.n = 100;
  measure("barriers of threads", 100.0 * 256 * 200,
          [&] { return launch(barriers, dim3(200), dim3(256), 0, nullptr, p); });
  measure("shuffles of threads", 100.0 * 256 * 200,
          [&] { return launch(exchanges, dim3(200), dim3(256), 0, nullptr, p); });
  p.n = 512;
  measure("fmaf of a product", 512.0 * 128 * 128 * 100,
          [&] { return launch(product, dim3(100), dim3(256), 0, nullptr, p); });
  return cudaFree(memory) == cudaSuccess ? 0 : 1;
}
