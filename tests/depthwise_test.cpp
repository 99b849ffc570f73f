// The depthwise convolution against its definition in double on every instruction set of this machine, whatever SLN_ISA
// says, and against the one in float where there are fused multiply-adds. Bytes, threads: ops_test.
#include "kernels/depthwise.h"

#include <catch2/catch.hpp>
#include <cmath>
#include <cstdlib>
#include <vector>

#include "kernels/cpu/depthwise_internal.h"
#include "tests/cases/depthwise_cases.h"
#include "tests/naive/depthwise.h"
#include "tests/support/op_on_cpu.h"

namespace sln {
namespace {

using sln_test::OpProblem;

constexpr cpu::Isa kIsas[] = {cpu::Isa::kSse4, cpu::Isa::kAvx2, cpu::Isa::kAvx512};

// Runs an op with canonical weights. The packed ones are the same on every instruction set.
void run(cpu::Isa isa, const DepthwiseOp& op) {
  cpu::ThreadPool pool(2);
  cpu::depthwise_for(isa, sln_test::PackedOnCpu<DepthwiseOp>(op).op(), pool);
}

}  // namespace

TEST_CASE("depthwise is its definition on every instruction set") {
  for (const sln_test::OpCase& c : sln_test::cases_of<DepthwiseOp>().tested) {
    if (c.nasty) continue;
    INFO(c.name);
    for (const cpu::Isa isa : kIsas) {
      if (!cpu::isa_supported(isa)) continue;
      CAPTURE(cpu::isa_name(isa));
      const OpProblem problem = c.make();
      const auto& op = std::get<DepthwiseOp>(problem.op);
      run(isa, op);
      double worst = 0;
      bool equal = true;
      for (int y = 0; y < op.out_h; ++y)
        for (int x = 0; x < op.out_w; ++x)
          for (int channel = 0; channel < op.desc.channels; ++channel) {
            const float found = op.dst[(y * op.out_w + x) * op.dst_stride + channel];
            worst = sln_test::farther(worst, found, sln_naive::depthwise_at<double>(op, y, x, channel));
            equal = equal && found == sln_naive::depthwise_at<float>(op, y, x, channel);
          }
      CHECK(worst <= 4e-5);  // sums of up to 25 products of up to 16
      CHECK((equal || isa == cpu::Isa::kSse4));
    }
  }
}

TEST_CASE("depthwise lets NaN through to the windows that hold it, and ReLU6 keeps it") {
  const OpProblem problem = sln_test::depthwise_problem(sln_test::depthwise_row(9, 20, 16, 3, 1), false, 7);
  const auto& op = std::get<DepthwiseOp>(problem.op);
  const_cast<float*>(op.src)[(4 * 20 + 10) * 16 + 3] = sln_test::kNan;
  for (const cpu::Isa isa : kIsas) {
    if (!cpu::isa_supported(isa)) continue;
    run(isa, op);
    int nans = 0;
    for (int i = 0; i < 9 * 20 * 16; ++i) {
      const int channel = i % 16, x = i / 16 % 20, y = i / 320;
      const bool touched = channel == 3 && std::abs(x - 10) <= 1 && std::abs(y - 4) <= 1;
      CHECK(std::isnan(op.dst[i]) == touched);
      nans += touched ? 1 : 0;
      if (!touched) CHECK((op.dst[i] >= 0 && op.dst[i] <= 6));
    }
    CHECK(nans == 9);
  }
}

TEST_CASE("depthwise refuses what it is not made for") {
  const std::vector<float> weights(16 * 49, 0.5f);
  std::vector<float> place(16 * 64);
  const auto pack = [&](DepthwiseDesc desc) { return cpu::pack(desc, weights.data(), nullptr, place.data()); };
  CHECK_THROWS(pack({16, 7, 1, 3}));
  CHECK_THROWS(pack({16, 3, 3, 1}));
  CHECK_THROWS(pack({0, 3, 1, 1}));
  CHECK_THROWS(pack({16, 3, 1, 3}));
  CHECK_THROWS(cpu::pack(DepthwiseDesc{16, 3, 1, 1}, nullptr, nullptr, place.data()));
  const OpProblem problem = sln_test::depthwise_problem(sln_test::depthwise_row(8, 8, 20, 3, 1), false, 1);
  auto op = std::get<DepthwiseOp>(problem.op);
  op.src_stride = 20;
  cpu::ThreadPool pool(1);
  CHECK_THROWS(cpu::run(sln_test::PackedOnCpu<DepthwiseOp>(op).op(), nullptr, pool));
}

}  // namespace sln
