#include "engine/stages/depth_order.h"

#include <algorithm>

#include "engine/stages/interleave.h"

namespace sln {

void RegionFinder::start() {
  above_.clear();
  current_.clear();
  regions_.clear();
  y_ = -2;
}

int RegionFinder::root(int region) {
  while (regions_[static_cast<size_t>(region)].parent != region) {
    int& parent = regions_[static_cast<size_t>(region)].parent;
    parent = regions_[static_cast<size_t>(parent)].parent;
    region = parent;
  }
  return region;
}

// Regions are numbered by their first pixels, so the lower number stays: its first pixel is that of both.
int RegionFinder::join(int a, int b) {
  a = root(a);
  b = root(b);
  if (a == b) return a;
  if (b < a) std::swap(a, b);
  regions_[static_cast<size_t>(b)].parent = a;
  regions_[static_cast<size_t>(a)].size += regions_[static_cast<size_t>(b)].size;
  return a;
}

// Takes the run [begin, end) of row y_ into the regions of the runs above it that share a column with it.
void RegionFinder::close_run(int begin, int end) {
  while (next_ < above_.size() && above_[next_].end <= begin) ++next_;
  int region = -1;
  for (size_t i = next_; i < above_.size() && above_[i].begin < end; ++i) {
    region = region < 0 ? root(above_[i].region) : join(region, above_[i].region);
  }
  if (region < 0) {
    region = static_cast<int>(regions_.size());
    regions_.push_back({region, 0, static_cast<int64_t>(y_) << 32 | begin});
  }
  regions_[static_cast<size_t>(region)].size += end - begin;
  current_.push_back({begin, end, region});
}

void RegionFinder::add_row(int y, const uint64_t* bits, int word_begin, int words) {
  above_.swap(current_);
  current_.clear();
  if (y != y_ + 1) above_.clear();
  y_ = y;
  next_ = 0;
  int begin = 0;
  uint64_t carry = 0;  // the pixel left of this word
  for (int w = 0; w < words; ++w) {
    // A bit of `edges` is set where a pixel differs from its left neighbour: runs begin and end there in turn.
    uint64_t edges = bits[w] ^ (bits[w] << 1 | carry);
    uint64_t inside = carry;
    carry = bits[w] >> 63;
    for (; edges != 0; edges &= edges - 1) {
      const int x = (word_begin + w) * 64 + __builtin_ctzll(edges);
      if (inside != 0) close_run(begin, x);
      begin = x;
      inside ^= 1;
    }
  }
  if (carry != 0) close_run(begin, (word_begin + words) * 64);
}

RegionFinder::Summary RegionFinder::finish() const {
  Summary summary;
  for (size_t i = 0; i < regions_.size(); ++i) {
    if (regions_[i].parent != static_cast<int>(i)) continue;
    ++summary.regions;
    if (regions_[i].size > summary.largest) {
      summary.largest = regions_[i].size;
      summary.first = regions_[i].first;
    }
  }
  return summary;
}

namespace {

bool any_bit(const std::vector<uint64_t>& bits, size_t words) {
  return std::any_of(bits.begin(), bits.begin() + static_cast<std::ptrdiff_t>(words),
                     [](uint64_t word) { return word != 0; });
}

// Fills in all but a and b of a pair whose masks share a pixel.
void order_pair(const MaskBits& a, const MaskBits& b, float threshold, DepthOrderScratch& scratch, ResultPair& pair) {
  MaskOrderRow row;
  row.a = &a;
  row.b = &b;
  row.threshold = threshold;
  row.word_begin = std::max(a.word_begin, b.word_begin);
  row.word_end = std::min(a.word_end, b.word_end);
  const int words = row.word_end - row.word_begin;
  scratch.a_front.resize(std::max(scratch.a_front.size(), static_cast<size_t>(words)));
  scratch.b_front.resize(scratch.a_front.size());
  row.a_front = scratch.a_front.data();
  row.b_front = scratch.b_front.data();
  scratch.a_regions.start();
  scratch.b_regions.start();
  const int y_end = std::min(a.window.y_end, b.window.y_end);
  for (row.y = std::max(a.window.y_begin, b.window.y_begin); row.y < y_end; ++row.y) {
    pair.overlap += cpu::mask_bits_order_row(row);
    const size_t count = static_cast<size_t>(words);
    if (any_bit(scratch.a_front, count)) scratch.a_regions.add_row(row.y, row.a_front, row.word_begin, words);
    if (any_bit(scratch.b_front, count)) scratch.b_regions.add_row(row.y, row.b_front, row.word_begin, words);
  }
  const RegionFinder::Summary front = scratch.a_regions.finish();
  const RegionFinder::Summary behind = scratch.b_regions.finish();
  pair.regions = front.regions + behind.regions;
  pair.largest_region = std::max(front.largest, behind.largest);
  if (pair.regions == 0) return;
  const bool a_in_front = front.largest != behind.largest ? front.largest > behind.largest : front.first < behind.first;
  pair.order = a_in_front ? 1 : -1;
}

}  // namespace

void depth_order(const std::vector<const MaskBits*>& masks, float threshold, cpu::ThreadPool& pool,
                 std::vector<DepthOrderScratch>& scratch, std::vector<std::exception_ptr>& errors,
                 std::vector<ResultPair>& pairs) {
  pairs.clear();
  const int count = static_cast<int>(masks.size());
  for (int a = 0; a < count; ++a) {
    for (int b = a + 1; b < count; ++b) {
      const PasteWindow& one = masks[static_cast<size_t>(a)]->window;
      const PasteWindow& two = masks[static_cast<size_t>(b)]->window;
      if (one.x_begin >= two.x_end || two.x_begin >= one.x_end) continue;
      if (one.y_begin >= two.y_end || two.y_begin >= one.y_end) continue;
      ResultPair pair;
      pair.a = a;
      pair.b = b;
      pairs.push_back(pair);
    }
  }
  for_each_interleaved(pool, static_cast<int64_t>(pairs.size()), errors, [&](int64_t i, size_t thread) {
    ResultPair& pair = pairs[static_cast<size_t>(i)];
    const MaskBits& a = *masks[static_cast<size_t>(pair.a)];
    const MaskBits& b = *masks[static_cast<size_t>(pair.b)];
    if (cpu::mask_bits_intersect(a, b)) order_pair(a, b, threshold, scratch[thread], pair);
  });
  // Masks that share a pixel have it in Omega; a pair of masks that share none was not looked at and has overlap 0.
  pairs.erase(std::remove_if(pairs.begin(), pairs.end(), [](const ResultPair& pair) { return pair.overlap == 0; }),
              pairs.end());
}

}  // namespace sln
