#include "tests/cases/op_case.h"

namespace sln_test {
namespace {

// The side of the canvas, pixels. The last one's planes are more than 1 MiB: a device may have them sent up in parts.
const std::vector<int> kSides = {1, 2, 3, 5, 17, 64, 299};

OpProblem make(int side, bool nasty, uint32_t seed) {
  Maker maker(seed, {-2, 2, nasty ? 10 : 0});
  sln::CanvasFromPlanesOp op;
  op.planes = maker.values(int64_t{3} * side * side);
  op.side = side;
  maker.buffers(op);
  return {op, maker.memory};
}

}  // namespace

template <>
OpCases cases_of<sln::CanvasFromPlanesOp>() {
  const std::vector<Named<int>> canvases = {{"canvas from planes @1024", 1024}, {"canvas from planes @512", 512}};
  return {both(
              kSides, [](int side) { return words("side", side); }, make),
          timed(canvases, make)};
}

}  // namespace sln_test
