// What makes a canvas: photos, and planes.
#include <algorithm>
#include <cmath>

#include "engine/error.h"
#include "kernels/planes.h"
#include "kernels/resize.h"
#include "tests/cases/op_case.h"

namespace sln_test {
namespace {

struct Photo {
  int width, height, side;
  int extra = 0;  // bytes of a row after its pixels
};

OpCase make(const Photo& c, uint32_t seed) {
  OpCase made;
  made.memory = std::make_shared<CaseMemory>(seed);
  CaseMemory& memory = *made.memory;
  sln::ResizeOp op;
  op.width = c.width, op.height = c.height;
  op.row_bytes = ptrdiff_t{3} * c.width + c.extra;
  const int64_t bytes = int64_t{op.row_bytes} * (c.height - 1) + int64_t{3} * c.width;
  uint8_t* const pixels = memory.bytes(bytes);
  std::generate_n(pixels, bytes, [&] { return static_cast<uint8_t>(memory.random.bits() >> 24); });
  op.pixels = pixels;
  op.side = c.side;
  const double scale = static_cast<double>(c.side) / std::max(c.width, c.height);
  op.scaled_width = std::max(1, static_cast<int>(std::floor(c.width * scale + 0.5)));
  op.scaled_height = std::max(1, static_cast<int>(std::floor(c.height * scale + 0.5)));
  const float mean[3] = {123.675f, 116.28f, 103.53f}, deviation[3] = {58.395f, 57.12f, 57.375f};
  std::copy_n(mean, 3, op.mean);
  std::copy_n(deviation, 3, op.std);
  op.canvas = memory.floats(int64_t{4} * c.side * c.side);
  made.op = op;
  return made;
}

OpCase make_planes(int side, uint32_t seed, int nasty) {
  OpCase made;
  made.memory = std::make_shared<CaseMemory>(seed);
  const int64_t pixels = int64_t{side} * side;
  made.op =
      sln::CanvasFromPlanesOp{made.memory->fill(3 * pixels, {-2, 2, nasty}), made.memory->floats(4 * pixels), side};
  return made;
}

// Enlarged, shrunk, as they are; one pixel wide or high; more than 128 rows and more than 1 MiB, which a device may
// take in bands.
constexpr Photo kTested[] = {{1, 1, 1},      {1, 1, 5},       {5, 3, 40},        {40, 40, 40},   {41, 40, 40, 13},
                             {39, 7, 40, 1}, {160, 90, 40},   {90, 161, 33, 7},  {1, 200, 16},   {200, 1, 16},
                             {500, 3, 16},   {17, 400, 3, 2}, {64, 256, 96},     {64, 257, 130}, {2800, 130, 48, 5},
                             {3000, 300, 8}, {1, 300, 300},   {129, 129, 260, 3}};

}  // namespace

std::vector<CaseRow> resize_cases(Purpose purpose) {
  std::vector<CaseRow> rows;
  if (purpose == Purpose::kTime) {
    rows.push_back({"resize 4000x3000 to 1024", [] { return make(Photo{4000, 3000, 1024}, 1); }});
    rows.push_back({"resize 640x480 to 512", [] { return make(Photo{640, 480, 512}, 1); }});
    return rows;
  }
  for (const Photo& c : kTested) {
    const auto seed = static_cast<uint32_t>(rows.size() + 1);
    rows.push_back({sln::concat("resize ", c.width, "x", c.height, " to ", c.side, ", extra ", c.extra),
                    [=] { return make(c, seed); }});
  }
  return rows;
}

std::vector<CaseRow> canvas_from_planes_cases(Purpose purpose) {
  std::vector<CaseRow> rows;
  if (purpose == Purpose::kTime) {
    rows.push_back({"canvas from planes @1024", [] { return make_planes(1024, 1, 0); }});
    return rows;
  }
  // The last is of more than 1 MiB, which a device may take in pieces.
  for (const int side : {1, 2, 7, 33, 301}) {
    rows.push_back({sln::concat("canvas from planes @", side), [=] { return make_planes(side, 2, 0); }});
    rows.push_back({sln::concat("canvas from planes @", side, ", nasty"), [=] { return make_planes(side, 3, 10); }});
  }
  return rows;
}

}  // namespace sln_test
