#include "evaluation/level_order.h"

#include <algorithm>
#include <limits>

namespace sln::evaluation {
namespace {

// The largest component; size 0 where there is none.
struct Largest {
  int64_t size = 0;   // pixels
  int64_t first = 0;  // row-major position of its first pixel
};

// A piece of one column.
struct Piece {
  int x = 0, begin = 0, end = 0;  // rows [begin, end)
};

std::vector<Piece> pieces_of(const Mask& mask) {
  std::vector<Piece> pieces;
  const auto height = static_cast<uint32_t>(mask.height);
  for (const Span& span : mask.spans) {
    for (uint32_t at = span.begin; at < span.end;) {
      const uint32_t x = at / height;
      const uint32_t end = std::min(span.end, (x + 1) * height);
      pieces.push_back({static_cast<int>(x), static_cast<int>(at - x * height), static_cast<int>(end - x * height)});
      at = end;
    }
  }
  return pieces;
}

// Sets of pieces, joined as neighbours are found.
class Components {
 public:
  explicit Components(const std::vector<Piece>& pieces, int width) {
    for (size_t i = 0; i < pieces.size(); ++i) {
      parents_.push_back(i);
      components_.push_back(
          {pieces[i].end - pieces[i].begin, static_cast<int64_t>(pieces[i].begin) * width + pieces[i].x});
    }
  }
  void join(size_t a, size_t b) {
    a = root(a);
    b = root(b);
    if (a == b) return;
    parents_[b] = a;
    components_[a].size += components_[b].size;
    components_[a].first = std::min(components_[a].first, components_[b].first);
  }
  Largest largest() {
    Largest best;
    for (size_t i = 0; i < parents_.size(); ++i) {
      if (parents_[i] != i) continue;
      const Largest& one = components_[i];
      if (one.size > best.size || (one.size == best.size && one.first < best.first)) best = one;
    }
    return best;
  }

 private:
  size_t root(size_t i) {
    while (parents_[i] != i) i = parents_[i] = parents_[parents_[i]];
    return i;
  }
  std::vector<size_t> parents_;
  std::vector<Largest> components_;  // at the roots
};

Largest largest_region(const Mask& mask) {
  const std::vector<Piece> pieces = pieces_of(mask);
  Components components(pieces, mask.width);
  size_t left = 0;  // first piece of the column to the left that may still touch
  for (size_t i = 0; i < pieces.size(); ++i) {
    const Piece& piece = pieces[i];
    while (left < i &&
           (pieces[left].x < piece.x - 1 || (pieces[left].x == piece.x - 1 && pieces[left].end <= piece.begin))) {
      ++left;
    }
    for (size_t k = left; k < i && pieces[k].x == piece.x - 1 && pieces[k].begin < piece.end; ++k) {
      components.join(k, i);
    }
  }
  return components.largest();
}

// Pixels where `front` has a lower level than `behind`.
Mask lower(const std::vector<Mask>& front, const std::vector<Mask>& behind) {
  Mask all = empty_mask(front.front().width, front.front().height);
  for (size_t l = 0; l < front.size(); ++l) {
    for (size_t k = l + 1; k < behind.size(); ++k) {
      const Mask common = intersect(front[l], behind[k]);
      if (common.area > 0) all = unite(all, common);
    }
  }
  return all;
}

}  // namespace

int level_order(const std::vector<Mask>& a, const std::vector<Mask>& b) {
  const Largest front = largest_region(lower(a, b));
  const Largest behind = largest_region(lower(b, a));
  if (front.size != behind.size) return front.size > behind.size ? 1 : -1;
  if (front.size == 0) return 0;
  return front.first < behind.first ? 1 : -1;
}

}  // namespace sln::evaluation
