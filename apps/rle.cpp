#include "apps/rle.h"

#include <algorithm>

#include "apps/failure.h"

namespace sln::apps {
namespace {

// Run lengths, column-major, beginning with the zeros. Each is a series of characters that carry five bits, lowest
// first, and a flag that more follow; from the fourth run on the difference to the run two before is stored.
std::vector<int64_t> decode_runs(const std::string& code) {
  std::vector<int64_t> runs;
  for (size_t at = 0; at < code.size();) {
    int64_t value = 0;
    int shift = 0;
    int bits = 0;
    do {
      bits = at < code.size() ? code[at++] - 48 : -1;
      if (bits < 0 || bits > 63 || shift > 50)
        fail("expected a COCO run-length code, found \"", code.substr(0, 20), "\"");
      value |= static_cast<int64_t>(bits & 31) << shift;
      shift += 5;
    } while ((bits & 32) != 0);
    if ((bits & 16) != 0) value -= int64_t{1} << shift;  // sign of the last five bits
    if (runs.size() > 2) value += runs[runs.size() - 2];
    runs.push_back(value);
  }
  return runs;
}

// Calls visit(column, first row, last row + 1) for each piece of a run of ones within one column.
template <typename Visit>
void for_each_piece(const std::vector<int64_t>& runs, int64_t height, Visit visit) {
  int64_t at = 0;
  for (size_t i = 0; i < runs.size(); ++i) {
    const int64_t end = at + runs[i];
    for (; (i & 1) != 0 && at < end; at = std::min(end, (at / height + 1) * height)) {
      const int64_t column = at / height;
      visit(static_cast<int>(column), static_cast<int>(at - column * height),
            static_cast<int>(std::min(end, (column + 1) * height) - column * height));
    }
    at = end;
  }
}

}  // namespace

MaskCrop decode_rle(const std::string& code, int width, int height) {
  const std::vector<int64_t> runs = decode_runs(code);
  int64_t total = 0;
  for (int64_t run : runs) {
    if (run < 0) fail("expected run lengths of at least 0, found ", run);
    total += run;
  }
  if (total != int64_t{width} * height) {
    fail("expected a run-length code of ", int64_t{width} * height, " pixels, found one of ", total);
  }
  int left = width, top = height, right = 0, bottom = 0;
  for_each_piece(runs, height, [&](int x, int y0, int y1) {
    left = std::min(left, x);
    right = std::max(right, x + 1);
    top = std::min(top, y0);
    bottom = std::max(bottom, y1);
  });
  MaskCrop crop;
  if (right <= left) return crop;
  crop.x = left;
  crop.y = top;
  crop.width = right - left;
  crop.height = bottom - top;
  crop.pixels.assign(static_cast<size_t>(crop.width) * static_cast<size_t>(crop.height), 0);
  for_each_piece(runs, height, [&](int x, int y0, int y1) {
    for (int y = y0; y < y1; ++y) {
      crop.pixels[static_cast<size_t>(y - top) * static_cast<size_t>(crop.width) + static_cast<size_t>(x - left)] = 1;
    }
  });
  return crop;
}

}  // namespace sln::apps
