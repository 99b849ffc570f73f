// The refinement's end, fused into one pass over its logits: logits = ilm + residual; layers = their softmax
// (softmax.cuh), as planes; confidence = C of kernels/math/semdist.h; level = argmax over the levels' logits, the
// lowest on ties. In the operations and the order of kernels/cpu/semdist.cpp.
//
// A thread a cell of a RoI: its values stay in registers, and neighbouring threads write neighbouring floats of each
// plane. Blocks of 128 threads: nothing is shared, and small ones spread over more SMs.
#include "kernels/cuda/checks.h"
#include "kernels/cuda/launch.cuh"
#include "kernels/cuda/ops.h"
#include "kernels/cuda/quads.cuh"
#include "kernels/cuda/softmax.cuh"
#include "kernels/math/semdist.h"

namespace sln::cuda {
namespace {

constexpr int kThreads = 128;

// cell: of all RoIs.
__device__ __forceinline__ void add_residual(const RefineOp& p, int cell, float (&values)[kMaxChannels]) {
  if (p.residual == nullptr) return;
  float residual[kMaxChannels];
  read_pixel(p.residual + cell * p.logits_stride, p.channels, has_quads(p.residual, p.logits_stride), residual);
  SLN_UNROLL(16)
  for (int c = 0; c < kMaxChannels; ++c) values[c] += residual[c];
}

__device__ __forceinline__ int level_of(int channels, const float (&logits)[kMaxChannels]) {
  LevelArgmax best = {logits[1], 0};
  SLN_UNROLL(16)
  for (int level = 1; level + 1 < kMaxChannels; ++level) {
    if (level + 1 < channels) best = level_argmax_step(best, logits[1 + level], level);
  }
  return best.level;
}

__global__ void __launch_bounds__(kThreads) refine_kernel(RefineOp p) {
  const int cell = thread_number();
  const int cells = p.pixels_per_item;
  const int roi = cell / cells;
  if (roi >= p.items.count()) return;
  float values[kMaxChannels];
  read_pixel(p.ilm_logits + cell * p.logits_stride, p.channels, has_quads(p.ilm_logits, p.logits_stride), values);
  add_residual(p, cell, values);
  p.level[cell] = static_cast<uint8_t>(level_of(p.channels, values));
  softmax(p.channels, values);
  p.confidence[cell] = confidence(values[0]);
  float* const plane = p.layers + (roi * (p.channels - 1) * cells + cell);
  SLN_UNROLL(16)
  for (int c = 0; c < kMaxChannels; ++c) {
    if (c < p.channels) plane[c * cells] = values[c];
  }
}

void check(bool holds, const char* what) {
  require(holds, "refine", what);
}

void check(const RefineOp& op) {
  check(op.channels >= 2 && op.channels <= kMaxChannels, "channels must be in 2..16");
  check(op.logits_stride >= op.channels, "logits_stride is below channels");
  check_buffers(op, "refine");
}

}  // namespace

size_t scratch_bytes(const RefineOp& op) {
  if (op.items.room > 0 && op.pixels_per_item > 0) check(op);
  return 0;
}

int run(const RefineOp& op, void* /*scratch*/, Stream stream) {
  if (op.items.room <= 0 || op.pixels_per_item <= 0) return cudaSuccess;
  check(op);
  const int64_t cells = int64_t{op.items.room} * op.pixels_per_item;
  return launch(refine_kernel, grid_for(cells, kThreads), dim3(kThreads), 0, stream, op);
}

}  // namespace sln::cuda
