// Greedy suppression of objects whose amodal masks overlap too much on the canvas grid.
#pragma once

#include <cstdint>
#include <vector>

#include "kernels/cpu/parallel.h"
#include "kernels/mask_bits.h"

namespace sln {

// masks by score, descending. keep (one per mask) becomes 1 or 0: 0 where a kept mask before it has
// (double)inter/union > limit. A limit of 1 or more keeps all.
void mask_nms(const std::vector<const MaskBits*>& masks, double limit, cpu::ThreadPool& pool,
              std::vector<uint8_t>& keep);

}  // namespace sln
