// Planes of the host to a canvas of pixels: (3, side, side) to (side, side, 4), the fourth channel 0. The planes go up
// a piece of pixels at a time, so that no buffer is as large as they are.
//
// A thread a pixel: it reads one float of each plane, as its neighbours do, and writes a float4. Blocks of 256 threads,
// as a piece has 87381 pixels and nothing is shared.
#include "kernels/cuda/checks.h"
#include "kernels/cuda/launch.cuh"
#include "kernels/cuda/ops.h"

namespace sln::cuda {
namespace {

constexpr int kThreads = 256;
constexpr int64_t kPiece = kUploadBytes / (3 * sizeof(float));  // pixels

// Pixels of the canvas, and where their planes are.
struct Piece {
  const float* planes;  // (3, count)
  float* canvas;        // (count, 4)
  int count;
};

__global__ void __launch_bounds__(kThreads) canvas_from_planes_kernel(Piece p) {
  const int pixel = thread_number();
  if (pixel >= p.count) return;
  vec<float4>(p.canvas)[pixel] =
      make_float4(p.planes[pixel], p.planes[p.count + pixel], p.planes[2 * p.count + pixel], 0.0f);
}

void check(bool holds, const char* what) {
  require(holds, "canvas_from_planes", what);
}

void check(const CanvasFromPlanesOp& op) {
  check(op.side > 0 && op.side <= 65535, "side must be in 1..65535");
  check_buffers(op, "canvas_from_planes");
  check(reinterpret_cast<uintptr_t>(op.canvas) % sizeof(float4) == 0, "the canvas is not aligned to 16 bytes");
}

}  // namespace

size_t scratch_bytes(const CanvasFromPlanesOp& op) {
  check(op);
  return kUploadBytes;
}

int run(const CanvasFromPlanesOp& op, void* scratch, Stream stream) {
  check(op);
  check(op.planes != nullptr && scratch != nullptr, "planes or scratch is null");
  const int64_t pixels = int64_t{op.side} * op.side;
  auto* const planes = static_cast<float*>(scratch);
  for (int64_t first = 0; first < pixels; first += kPiece) {
    const int64_t count = pixels - first < kPiece ? pixels - first : kPiece;
    for (int c = 0; c < 3; ++c) {
      const cudaError_t error =
          cudaMemcpyAsync(planes + c * count, op.planes + c * pixels + first,
                          static_cast<size_t>(count) * sizeof(float), cudaMemcpyHostToDevice, stream);
      if (error != cudaSuccess) return error;
    }
    const Piece piece = {planes, op.canvas + 4 * first, static_cast<int>(count)};
    const cudaError_t error =
        launch(canvas_from_planes_kernel, grid_for(count, kThreads), dim3(kThreads), 0, stream, piece);
    if (error != cudaSuccess) return error;
  }
  return cudaSuccess;
}

}  // namespace sln::cuda
