#include "engine/stages/suppression.h"

#include <algorithm>

namespace sln {
namespace {

bool overlaps_more(const MaskBits& a, const MaskBits& b, double limit) {
  const int64_t smaller = std::min(a.area, b.area);
  const int64_t larger = std::max(a.area, b.area);
  // IoU <= smaller / larger, and division rounds monotonically, so nothing is counted where the areas decide.
  if (!(static_cast<double>(smaller) / static_cast<double>(larger) > limit)) return false;
  const int64_t inter = cpu::mask_bits_intersection(a, b);
  return static_cast<double>(inter) / static_cast<double>(smaller + larger - inter) > limit;
}

}  // namespace

void mask_nms(const std::vector<const MaskBits*>& masks, double limit, cpu::ThreadPool& pool,
              std::vector<uint8_t>& keep) {
  keep.assign(masks.size(), 1);
  if (limit >= 1) return;
  for (size_t i = 0; i + 1 < masks.size(); ++i) {
    if (keep[i] == 0) continue;
    const size_t first = i + 1;
    pool.parallel_for(static_cast<int64_t>(masks.size() - first), [&](int64_t begin, int64_t end, int) {
      for (int64_t k = begin; k < end; ++k) {
        const size_t j = first + static_cast<size_t>(k);
        if (keep[j] != 0 && overlaps_more(*masks[i], *masks[j], limit)) keep[j] = 0;
      }
    });
  }
}

void visible_overlap(const std::vector<const MaskBits*>& masks, double limit, int grid_w, int grid_h,
                     std::vector<uint64_t>& claimed, std::vector<uint8_t>& keep) {
  keep.assign(masks.size(), 1);
  if (limit >= 1) return;
  const size_t words = static_cast<size_t>((grid_w + 63) / 64);
  claimed.assign(words * static_cast<size_t>(grid_h), 0);
  for (size_t i = 0; i < masks.size(); ++i) {
    const VisiblePixels pixels = cpu::mask_bits_visible(*masks[i], claimed.data(), words);
    if (pixels.count > 0 && static_cast<double>(pixels.claimed) / static_cast<double>(pixels.count) > limit) {
      keep[i] = 0;
    } else {
      cpu::mask_bits_claim(*masks[i], claimed.data(), words);
    }
  }
}

}  // namespace sln
