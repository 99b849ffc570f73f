// RoIAlign against its definition in double; bytes: ops_test.
#include "kernels/roi_align.h"

#include <catch2/catch.hpp>
#include <vector>

#include "tests/naive/roi_align.h"
#include "tests/support/op_on_cpu.h"

namespace sln_test {
namespace {

// One bin of one box on a map of 4 x 4 pixels, of which pixel i is worth i + 1.
float one_bin(std::vector<float> box) {
  std::vector<float> map(16), out(16);
  for (size_t i = 0; i < map.size(); ++i) map[i] = static_cast<float>(i + 1);
  sln::RoiAlignOp op;
  op.src = map.data(), op.h = op.w = 4, op.src_stride = op.channels = 1;
  op.boxes = box.data(), op.items = {1}, op.side = 1;
  op.dst = out.data(), op.dst_stride = 16;
  sln::cpu::ThreadPool pool(1);
  sln::cpu::run(op, nullptr, pool);
  return out[0];
}

}  // namespace

TEST_CASE("roi_align agrees with its definition") {
  for_each_run<sln::RoiAlignOp>([](const sln::RoiAlignOp& op) {
    double worst = 0;
    for (int roi = 0; roi < op.items.count(); ++roi)
      for (int y = 0; y < op.side; ++y)
        for (int x = 0; x < op.side; ++x)
          for (int c = 0; c < op.channels; ++c)
            worst = farther(worst, op.dst[((roi * op.side + y) * op.side + x) * op.dst_stride + c],
                            sln_naive::exact_roi_align_at(op, roi, y, x, c));
    CHECK(worst <= 2e-5);  // the map's values are of size 1, its coordinates up to 64 carry 4e-6
  });
}

TEST_CASE("roi_align includes samples at exactly -1 and at exactly the map's size") {
  // One bin: samples at x0/4 - 0.5 + (1/4, 3/4) of the width. The first row is 1 2 3 4.
  CHECK(one_bin({-4, 2, 4, 2.001f}) == Approx(1).epsilon(1e-3));   // x samples at -1 and 0
  CHECK(one_bin({14, 2, 22, 2.001f}) == Approx(2).epsilon(1e-3));  // x samples at 3.5 and 4.5, the second outside
  CHECK(one_bin({12, 2, 20, 2.001f}) == Approx(4).epsilon(1e-3));  // x samples at 3 and 4
}

TEST_CASE("roi_align reads NaN boxes as 0") {
  CHECK(one_bin({kNan, 0, 8, 8}) == 0);
}

}  // namespace sln_test
