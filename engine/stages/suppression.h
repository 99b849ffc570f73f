// Which objects stay: greedy suppression on the canvas grid, by IoU with one kept object or by what all kept ones show.
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

// A pixel shows one object. masks on a grid of grid_w x grid_h, by score, descending. keep (one per mask) becomes 1 or
// 0: 0 where more than `limit` of the mask's visible pixels (C > c and L = 0) are visible in kept masks before it, all
// together: (double)claimed/visible > limit. A limit of 1 or more keeps all, any a mask without visible pixels.
// claimed is scratch.
void visible_overlap(const std::vector<const MaskBits*>& masks, double limit, int grid_w, int grid_h,
                     std::vector<uint64_t>& claimed, std::vector<uint8_t>& keep);

}  // namespace sln
