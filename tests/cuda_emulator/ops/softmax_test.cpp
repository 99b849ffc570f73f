// Softmax on CUDA: what it refuses. Bytes: ops_test.
#include <catch2/catch.hpp>
#include <stdexcept>

#include "kernels/cuda/ops.h"
#include "kernels/semdist.h"

namespace sln {

TEST_CASE("softmax on CUDA refuses what cannot be") {
  float values[64] = {};
  SoftmaxOp good;
  good.src = values;
  good.dst = values + 32;
  good.items = {1};
  good.pixels_per_item = 1;
  good.src_stride = good.dst_stride = 16;
  good.channels = 5;
  const auto refuses = [&](const char* text, auto change) {
    SoftmaxOp op = good;
    change(op);
    CHECK_THROWS_AS(cuda::run(op, nullptr, nullptr), std::invalid_argument);
    CHECK_THROWS_WITH(cuda::run(op, nullptr, nullptr), Catch::Contains(text));
  };
  refuses("null", [](SoftmaxOp& op) { op.src = nullptr; });
  refuses("null", [](SoftmaxOp& op) { op.dst = nullptr; });
  refuses("1..16", [](SoftmaxOp& op) { op.channels = 0; });
  refuses("1..16", [](SoftmaxOp& op) { op.channels = 17, op.src_stride = op.dst_stride = 32; });
  refuses("zero_pad", [](SoftmaxOp& op) { op.zero_pad = -1; });
  refuses("zero_pad", [](SoftmaxOp& op) { op.zero_pad = 12; });
  refuses("src_stride", [](SoftmaxOp& op) { op.src_stride = 4; });
  refuses("semdist_stride", [](SoftmaxOp& op) { op.semdist = op.dst + 16; });
  const char* const offsets = "2147482624 elements, the limit of 32-bit offsets";
  refuses(offsets, [](SoftmaxOp& op) { op.pixels_per_item = 1 << 27; });
  refuses(offsets, [](SoftmaxOp& op) { op.items.room = 1 << 27; });
  refuses(offsets, [](SoftmaxOp& op) { op.items.room = op.pixels_per_item = 2147483647; });
  refuses(offsets, [](SoftmaxOp& op) { op.pixels_per_item = 2, op.dst_stride = 1 << 30; });
}

}  // namespace sln
