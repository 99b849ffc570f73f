// The convolution on CUDA: what its cases (ops_test) do not say.
#include "kernels/conv.h"

#include <catch2/catch.hpp>
#include <stdexcept>
#include <type_traits>
#include <variant>
#include <vector>

#include "kernels/cpu/conv_internal.h"
#include "tests/cases/conv_cases.h"
#include "tests/naive/conv.h"
#include "tests/support/op_on_cuda.h"

namespace sln {
namespace {

using sln_test::ConvRow;
using sln_test::kTiny;
using sln_test::OpProblem;
using Packed = sln_test::PackedOnDevice<ConvOp>;

OpProblem problem_of(const ConvRow& row) {
  return sln_test::conv_problem(row, false, 5);
}
const ConvOp& conv_of(const OpProblem& problem) {
  return std::get<ConvOp>(problem.op);
}

}  // namespace

TEST_CASE("conv on CUDA keeps the sign of zero behind the last channel of a tap") {
  // All products round to 0 or -0, and so do most sums.
  constexpr float kZeros[] = {kTiny, -kTiny, -kTiny, 0.0f, -0.0f};
  for (const int in : {1, 2, 3, 4, 5, 7}) {
    for (const int kernel : {1, 2, 3}) {
      for (const bool residual : {false, true}) {
        CAPTURE(in, kernel, residual);
        const OpProblem problem = problem_of({1, 6, 7, in, 20, kernel, 1, 0, 1, Activation::kNone, false, residual});
        ConvOp op = conv_of(problem);
        sln_test::Random random(6);
        each_buffer(op, [&](auto* pointer, const Rows& rows) {
          if constexpr (std::is_same_v<decltype(pointer), const float*>)
            for (int64_t i = 0; i < rows.per_item * rows.length; ++i)
              const_cast<float*>(pointer)[i / rows.length * rows.step + i % rows.length] = kZeros[random.below(5)];
        });
        std::vector<float> weights(static_cast<size_t>(20 * in * kernel * kernel));
        for (float& w : weights) w = random.below(2) == 0 ? 0.5f : 0.25f;
        op.weights.weights = weights.data();
        const Packed packed(op);
        const auto found = sln_test::written_on_copies(
            packed.op(), [](const ConvOp& copy) { CHECK(sln_test::run_on_cuda(copy) == 0); });
        const auto expected = sln_test::written_on_copies(op, [](const ConvOp& copy) { sln_naive::run(copy); });
        CHECK(sln_test::difference(found, expected) == "");
      }
    }
  }
}

TEST_CASE("conv on CUDA on an empty batch does nothing") {
  const OpProblem problem = problem_of({1, 4, 4, 8, 16, 3, 1, 1, 1});
  ConvOp op = conv_of(problem);
  op.batch = {0};
  op.src = nullptr;
  op.dst = nullptr;
  CHECK(cuda::run(op, nullptr, nullptr) == 0);
}

TEST_CASE("conv on CUDA refuses weights that cannot be packed") {
  const OpProblem problem = problem_of({1, 4, 4, 8, 16, 3, 1, 1, 1});
  const ConvDesc desc = conv_of(problem).desc;
  const float* const weights = conv_of(problem).weights.weights;
  std::vector<float> place(cuda::packed_bytes(desc) / sizeof(float));
  using Field = int ConvDesc::*;
  for (const Field field :
       {&ConvDesc::in_channels, &ConvDesc::out_channels, &ConvDesc::kernel, &ConvDesc::stride, &ConvDesc::dilation}) {
    ConvDesc wrong = desc;
    wrong.*field = 0;
    CHECK_THROWS_AS(cuda::packed_bytes(wrong), std::invalid_argument);
    CHECK_THROWS_AS(cuda::pack(wrong, weights, nullptr, place.data(), place.data()), std::invalid_argument);
  }
  ConvDesc wrong = desc;
  wrong.pad = -1;
  CHECK_THROWS_AS(cuda::packed_bytes(wrong), std::invalid_argument);
  CHECK_THROWS_AS(cuda::pack(desc, nullptr, nullptr, place.data(), place.data()), std::invalid_argument);
  CHECK_THROWS_AS(cuda::pack(desc, weights, nullptr, nullptr, place.data()), std::invalid_argument);
  CHECK_THROWS_AS(cuda::pack(desc, weights, nullptr, place.data(), nullptr), std::invalid_argument);

  ConvDesc large;
  CHECK(cuda::packed_bytes(ConvDesc{65536, 32768 - 128}) > size_t{1} << 32);
  large = {65536, 32768};
  CHECK_THROWS_WITH(cuda::packed_bytes(large), Catch::Contains("2147482624"));
  large = {2147483647, 2147483647, 1024};
  CHECK_THROWS_WITH(cuda::packed_bytes(large), Catch::Contains("2147482624"));
}

TEST_CASE("conv on CUDA refuses what cannot be") {
  const OpProblem problem = problem_of({1, 4, 4, 8, 16, 3, 1, 1, 1});
  const Packed packed(conv_of(problem));
  const ConvOp good = packed.op();
  const auto refuses = [&](const char* text, auto change) {
    ConvOp op = good;
    change(op);
    CHECK_THROWS_AS(cuda::run(op, nullptr, nullptr), std::invalid_argument);
    CHECK_THROWS_WITH(cuda::run(op, nullptr, nullptr), Catch::Contains(text));
  };
  const char* const unpacked = "weights were not packed by cuda::pack";
  refuses(unpacked, [](ConvOp& op) { op.weights = {}; });
  refuses(unpacked, [](ConvOp& op) { op.weights.weights = nullptr; });
  for (const cpu::Isa isa : {cpu::Isa::kSse4, cpu::Isa::kAvx2, cpu::Isa::kAvx512}) {
    refuses(unpacked, [&](ConvOp& op) { op.weights.layout = cpu::layout_of(isa); });
  }
  refuses(unpacked, [](ConvOp& op) { op.weights.layout += 1; });  // of layers with other panels
  refuses("null", [](ConvOp& op) { op.src = nullptr; });
  refuses("null", [](ConvOp& op) { op.dst = nullptr; });
  refuses("src_stride", [](ConvOp& op) { op.src_stride = 7; });
  refuses("dst_stride", [](ConvOp& op) { op.dst_stride = 15; });
  refuses("residual_stride", [](ConvOp& op) { op.residual = op.src, op.residual_stride = 15; });
  refuses("another stride", [](ConvOp& op) { op.residual = op.dst, op.residual_stride = op.dst_stride + 1; });
  refuses("without pixels", [](ConvOp& op) { op.out_w = 0; });
  refuses("without pixels", [](ConvOp& op) { op.in_h = 0; });
  refuses("2^30", [](ConvOp& op) { op.desc.dilation = 1 << 28; });
  refuses("2^30", [](ConvOp& op) { op.desc.stride = 1 << 29; });
  refuses("2^30", [](ConvOp& op) { op.desc.pad = 1 << 30; });
  const char* const offsets = "2147482624 elements, the limit of 32-bit offsets";
  refuses(offsets, [](ConvOp& op) { op.batch.room = 1 << 24; });
  refuses(offsets, [](ConvOp& op) { op.in_h = 1 << 28; });
  refuses(offsets, [](ConvOp& op) { op.in_h = op.in_w = op.src_stride = op.batch.room = 2147483647; });
  refuses(offsets, [](ConvOp& op) { op.src_stride = 1 << 27; });
  refuses(offsets, [](ConvOp& op) { op.out_h = 1 << 25; });
  refuses(offsets, [](ConvOp& op) { op.dst_stride = 1 << 27; });
  refuses(offsets, [](ConvOp& op) { op.residual = op.src, op.residual_stride = 1 << 27; });
}

}  // namespace sln
