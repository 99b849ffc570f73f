// Which objects stay: greedy suppression on the canvas grid, of the weaker of two that are too much alike.
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

// A pixel shows one object: keep becomes 0 where (double)claimed/visible > limit, of the mask's visible pixels (C > c
// and L = 0) and those of them that are visible in kept masks before it. masks by score, descending. A limit of 1 or
// more keeps all; a mask without visible pixels stays under any. claimed is scratch.
void visible_overlap(const std::vector<const MaskBits*>& masks, double limit, std::vector<uint64_t>& claimed,
                     std::vector<uint8_t>& keep);

}  // namespace sln
