#include <algorithm>
#include <cmath>

#include "tests/cases/op_case.h"

namespace sln_test {
namespace {

struct Row {
  int width, height;  // of the photo
  int side;           // of the canvas
  int extra = 0;      // row_bytes - 3 * width
  float mean = 0, std = 1;
};

const std::vector<Row> kRows = {
    {1, 1, 1},
    {1, 1, 5},
    {5, 3, 40},  // enlarging
    {40, 40, 40},
    {41, 40, 40},
    {39, 7, 40},
    {160, 90, 40, 0, 100, 57},
    {90, 161, 33, 13, 127, 128},
    {50, 30, 20, 13},
    {1, 200, 16},
    {200, 1, 16},
    {1, 9, 30},
    {9, 1, 30},
    {500, 3, 16},
    {17, 400, 3, 1},
    {700, 140, 48},  // filters that are longer than a chunk of weights, in every direction
    // A device that has a photo sent up in bands of at most 1 MiB and 128 rows: either limit, and both.
    {2800, 131, 20},
    {20, 1000, 24, 4},
    {1270, 290, 24, 2, 127, 128},
    {65535, 2, 32},  // the largest sides of the API
    {2, 65535, 32},
    {200000, 3, 16},  // bands of one row
    {349525, 2, 16},  // the widest of CUDA
};

std::string text(const Row& c) {
  return words(c.width, "x", c.height, "to", c.side, "extra", c.extra, "mean", c.mean, "std", c.std);
}

// The values of a photo are bytes: there are no nasty ones but the extremes.
OpProblem make(const Row& c, bool nasty, uint32_t seed) {
  Maker maker(seed, {});
  sln::ResizeOp op;
  op.width = c.width;
  op.height = c.height;
  op.row_bytes = ptrdiff_t{3} * c.width + c.extra;
  const auto bytes = static_cast<size_t>(op.row_bytes * (c.height - 1) + ptrdiff_t{3} * c.width);
  auto* const pixels = maker.memory->take<uint8_t>(bytes);
  std::generate_n(pixels, bytes, [&] { return static_cast<uint8_t>(maker.random.bits() >> 13); });
  if (nasty) std::for_each(pixels, pixels + bytes, [](uint8_t& byte) { byte = byte < 128 ? 0 : 255; });
  op.pixels = pixels;
  op.side = c.side;
  const auto scaled = [&](int size) {
    const double scale = static_cast<double>(c.side) / std::max(c.width, c.height);
    return std::max(1, static_cast<int>(std::floor(size * scale + 0.5)));
  };
  op.scaled_width = scaled(c.width);
  op.scaled_height = scaled(c.height);
  for (int i = 0; i < 3; ++i) op.mean[i] = c.mean + static_cast<float>(i), op.std[i] = c.std + static_cast<float>(i);
  if (c.mean == 0) std::fill_n(op.mean, 3, 0.0f), std::fill_n(op.std, 3, 1.0f);
  maker.buffers(op);
  return {op, maker.memory};
}

}  // namespace

template <>
OpCases cases_of<sln::ResizeOp>() {
  const std::vector<Named<Row>> photos = {{"resize 1280x960 @1024", {1280, 960, 1024, 0, 127, 128}},
                                          {"resize 4000x3000 @1024", {4000, 3000, 1024, 0, 127, 128}},
                                          {"resize 640x480 @512", {640, 480, 512, 0, 127, 128}}};
  return {both(kRows, text, make), timed(photos, make)};
}

}  // namespace sln_test
