// Which of two objects is in front, where their amodal masks share pixels of the canvas grid (network description, 9;
// Eq. 4 and 5).
#pragma once

#include <cstdint>
#include <exception>
#include <vector>

#include "engine/result.h"
#include "kernels/cpu/parallel.h"
#include "kernels/mask_bits.h"

namespace sln {

// Finds the 4-connected regions of a mask that comes row by row from top to bottom, as runs: two rows of runs and one
// entry per region at work, no plane.
class RegionFinder {
 public:
  struct Summary {
    int regions = 0;
    int64_t largest = 0;  // pixels
    int64_t first = 0;    // of the largest region, the first one of equals: its first pixel's place in row-major order
  };

  void start();
  // Row y, words [word_begin, word_begin + words) of 64 columns each. A row that is left out is empty.
  void add_row(int y, const uint64_t* bits, int word_begin, int words);
  Summary finish() const;

 private:
  struct Run {
    int begin, end;  // columns
    int region;
  };
  struct Region {
    int parent;     // itself at the root
    int64_t size;   // pixels
    int64_t first;  // y << 32 | x of its first pixel in row-major order
  };

  int root(int region);
  int join(int a, int b);
  void close_run(int begin, int end);

  std::vector<Run> above_, current_;
  std::vector<Region> regions_;
  int y_ = -2;       // row of above_, or of current_ while a row comes in
  size_t next_ = 0;  // first run of above_ that can still touch
};

// Scratch of one thread; grows and is reused.
struct DepthOrderScratch {
  std::vector<uint64_t> a_front, b_front;
  RegionFinder a_regions, b_regions;
};

// Fills pairs with every a < b whose masks share a pixel, ascending (a, b). scratch: one per thread of the pool.
void depth_order(const std::vector<const MaskBits*>& masks, float threshold, cpu::ThreadPool& pool,
                 std::vector<DepthOrderScratch>& scratch, std::vector<std::exception_ptr>& errors,
                 std::vector<ResultPair>& pairs);

}  // namespace sln
