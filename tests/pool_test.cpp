// Pooling against its definition in double; bytes: ops_test.
#include "kernels/pool.h"

#include <catch2/catch.hpp>

#include "tests/naive/pool.h"
#include "tests/support/op_on_cpu.h"

namespace sln_test {

TEST_CASE("pooling agrees with its definition") {
  for_each_run<sln::PoolOp>([](const sln::PoolOp& op) {
    double worst = 0;
    for (int y = 0; y < op.out_h; ++y)
      for (int x = 0; x < op.out_w; ++x)
        for (int c = 0; c < op.channels; ++c)
          worst =
              farther(worst, op.dst[(y * op.out_w + x) * op.dst_stride + c], sln_naive::pool_at<double>(op, y, x, c));
    CHECK(worst <= (op.kind == sln::PoolKind::kMax ? 0 : 1e-6));
  });
}

TEST_CASE("max pooling's padding is lower than any value") {
  const std::vector<float> map(3 * 3, -1e38f);
  std::vector<float> out(2 * 2 * 16);
  sln::PoolOp op;
  op.src = map.data(), op.in_h = op.in_w = 3, op.src_stride = op.channels = 1;
  op.dst = out.data(), op.out_h = op.out_w = 2, op.dst_stride = 16;
  op.kernel = 3, op.stride = 2, op.pad = 1;
  sln::cpu::ThreadPool pool(1);
  sln::cpu::run(op, nullptr, pool);
  for (size_t i = 0; i < out.size(); ++i) CHECK(out[i] == (i % 16 == 0 ? -1e38f : 0.0f));
}

}  // namespace sln_test
