// The sum of enlarged maps against its definition in double; bytes: ops_test.
#include "kernels/upsample_sum.h"

#include <catch2/catch.hpp>

#include "tests/naive/upsample_sum.h"
#include "tests/support/op_on_cpu.h"

namespace sln_test {

TEST_CASE("upsample_sum agrees with its definition") {
  for_each_run<sln::UpsampleSumOp>([](const sln::UpsampleSumOp& op) {
    double worst = 0;
    for (int y = 0; y < op.h; ++y)
      for (int x = 0; x < op.w; ++x)
        for (int c = 0; c < op.channels; ++c)
          worst = farther(worst, op.dst[(y * op.w + x) * op.dst_stride + c], sln_naive::upsample_sum_at(op, y, x, c));
    CHECK(worst <= 3e-6);
  });
}

}  // namespace sln_test
