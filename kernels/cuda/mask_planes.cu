// Logits of masks to planes: pa = sigmoid(a), pv = sigmoid(v); one mask gives 1 - pa, pa; two give 1 - pa, pa * pv,
// pa * (1 - pv), and the level 1 where v < 0. confidence = C of kernels/math/semdist.h. All in one pass over the
// logits.
//
// A thread a cell of a RoI: neighbouring threads write neighbouring floats of each plane. Blocks of 128
// threads: nothing is shared, and small ones spread over more SMs.
#include "kernels/cuda/checks.h"
#include "kernels/cuda/launch.cuh"
#include "kernels/cuda/ops.h"
#include "kernels/math/activation.h"
#include "kernels/math/semdist.h"

namespace sln::cuda {
namespace {

constexpr int kThreads = 128;

__global__ void __launch_bounds__(kThreads) mask_planes_kernel(MaskPlanesOp p) {
  const int cell = thread_number();  // of all RoIs
  const int cells = p.pixels_per_item;
  const int roi = cell / cells;
  if (roi >= p.items.count()) return;
  const float* const logits = p.logits + cell * p.stride;
  const float visible_logit = p.masks == 2 ? logits[1] : 0.0f;
  const float amodal = sigmoid(logits[0]);
  const float visible = sigmoid(visible_logit);
  float* const plane = p.layers + (roi * p.masks * cells + cell);
  const float rest = 1.0f - amodal;
  plane[0] = rest;
  p.confidence[cell] = confidence(rest);
  p.level[cell] = visible_logit < 0.0f ? 1 : 0;
  if (p.masks == 1) {
    plane[cells] = amodal;
  } else {
    plane[cells] = amodal * visible;
    plane[2 * cells] = amodal * (1.0f - visible);
  }
}

void check(bool holds, const char* what) {
  require(holds, "mask_planes", what);
}

void check(const MaskPlanesOp& op) {
  check(op.masks == 1 || op.masks == 2, "masks must be 1 or 2");
  check(op.stride >= op.masks, "stride is below masks");
  check_buffers(op, "mask_planes");
}

}  // namespace

size_t scratch_bytes(const MaskPlanesOp& op) {
  if (op.items.room > 0 && op.pixels_per_item > 0) check(op);
  return 0;
}

int run(const MaskPlanesOp& op, void* /*scratch*/, Stream stream) {
  if (op.items.room <= 0 || op.pixels_per_item <= 0) return cudaSuccess;
  check(op);
  const int64_t cells = int64_t{op.items.room} * op.pixels_per_item;
  return launch(mask_planes_kernel, grid_for(cells, kThreads), dim3(kThreads), 0, stream, op);
}

}  // namespace sln::cuda
