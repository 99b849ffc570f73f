#include "kernels/planes.h"

#include <cstdint>

#include "kernels/cpu/parallel.h"

namespace sln::cpu {

void canvas_from_planes(const CanvasPlanesParams& params, ThreadPool& pool) {
  const int64_t pixels = static_cast<int64_t>(params.side) * params.side;
  pool.parallel_for(pixels, [&](int64_t begin, int64_t end, int) {
    for (int64_t i = begin; i < end; ++i) {
      float* out = params.canvas + 4 * i;
      for (int c = 0; c < 3; ++c) out[c] = params.planes[c * pixels + i];
      out[3] = 0;
    }
  });
}

}  // namespace sln::cpu
