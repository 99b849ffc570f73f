#include "kernels/planes.h"

#include <cstdint>

#include "kernels/cpu/parallel.h"

namespace sln::cpu {

void run(const CanvasFromPlanesOp& op, void* /*scratch*/, ThreadPool& pool) {
  const int64_t pixels = static_cast<int64_t>(op.side) * op.side;
  pool.parallel_for(pixels, [&](int64_t begin, int64_t end, int) {
    for (int64_t i = begin; i < end; ++i) {
      float* out = op.canvas + 4 * i;
      for (int c = 0; c < 3; ++c) out[c] = op.planes[c * pixels + i];
      out[3] = 0;
    }
  });
}

}  // namespace sln::cpu
