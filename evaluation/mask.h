// Masks as runs of ones, and COCO's run-length codes, decoded.
//
// Pixels are numbered column-major (y runs first): position = x * height + y.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace sln::evaluation {

// Positions [begin, end) that are set.
struct Span {
  uint32_t begin = 0, end = 0;
};

struct Mask {
  int width = 0, height = 0;  // pixels of the image; their product is at most kMaxPixels
  std::vector<Span> spans;    // ascending, not empty, no two touch
  int64_t area = 0;           // pixels
  // The smallest rectangle that holds the mask, pixels [left, right) x [top, bottom); all 0 for an empty mask.
  int left = 0, top = 0, right = 0, bottom = 0;
};

constexpr int64_t kMaxPixels = int64_t{1} << 30;  // positions fit 32 bits

Mask empty_mask(int width, int height);

// Run lengths, alternately zeros and ones, beginning with the zeros. Throws Error(kFormat), "expected ..., found ...",
// where one is negative or their sum is not width * height.
Mask mask_of_runs(const std::vector<int64_t>& runs, int width, int height);

// The run lengths of COCO's compressed text: 5 bits a character, lowest first, 0x20 = more follow, 0x10 of the last =
// sign; from the fourth run on the difference to the run two before. Throws Error(kFormat) on text that is none, and on
// runs that are negative or go beyond `pixels`.
std::vector<int64_t> decode_runs(const std::string& text, int64_t pixels);

// The spans may touch, be empty, or overlap; they must ascend by begin.
Mask mask_of_spans(const std::vector<Span>& spans, int width, int height);

// Of two masks of one size.
int64_t intersection_area(const Mask& a, const Mask& b);
Mask intersect(const Mask& a, const Mask& b);
Mask unite(const Mask& a, const Mask& b);
Mask subtract(const Mask& a, const Mask& b);
// Pixels in both over pixels in either; 0 where none is in both.
double iou(const Mask& a, const Mask& b);

}  // namespace sln::evaluation
