// Softmax and refinement against their definitions in double; bytes: ops_test.
#include "kernels/semdist.h"

#include <catch2/catch.hpp>
#include <cmath>
#include <vector>

#include "tests/naive/semdist.h"
#include "tests/support/op_on_cpu.h"

namespace sln_test {
namespace {

constexpr double kTolerance = 5e-7;  // of probabilities

}  // namespace

TEST_CASE("softmax agrees with its definition") {
  for_each_run<sln::SoftmaxOp>([](const sln::SoftmaxOp& op) {
    double worst = 0, worst_semdist = 0;
    for (int64_t i = 0; i < int64_t{op.items.count()} * op.pixels_per_item; ++i) {
      const float* const logits = op.src + i * op.src_stride;
      const std::vector<double> p = sln_naive::softmax(std::vector<double>(logits, logits + op.channels));
      for (int c = 0; c < op.channels; ++c)
        worst = farther(worst, op.dst[i * op.dst_stride + c], p[static_cast<size_t>(c)]);
      if (op.semdist != nullptr)
        worst_semdist = farther(worst_semdist, op.semdist[i * op.semdist_stride], sln_naive::expected_semdist(p));
    }
    CHECK(worst <= kTolerance);
    CHECK(worst_semdist <= kTolerance * op.channels);
  });
}

TEST_CASE("softmax of extreme logits stays finite") {
  const std::vector<float> src = {1e38f, -1e38f, 0,    3e38f, 3e38f, -kInfinity, 88,  88,
                                  88,    87,     -300, -100,  -200,  -300,       -400};
  std::vector<float> dst(15);
  sln::SoftmaxOp op;
  op.src = src.data(), op.items = {1}, op.pixels_per_item = 3, op.src_stride = op.channels = 5;
  op.dst = dst.data(), op.dst_stride = 5;
  sln::cpu::ThreadPool pool(1);
  run_on_cpu(op, pool);
  CHECK(std::vector<float>(dst.begin(), dst.begin() + 5) == std::vector<float>{0, 0, 0, 0.5f, 0.5f});
  CHECK(dst[5] == 0);
  CHECK(dst[6] == Approx(1 / (3 + std::exp(-1.0))));
  CHECK(dst[11] == 1);
  CHECK(dst[14] == 0);
}

TEST_CASE("refinement agrees with its definition") {
  for_each_run<sln::RefineOp>([](const sln::RefineOp& op) {
    const int cells = op.pixels_per_item;
    double worst = 0, worst_confidence = 0;
    bool levels_right = true;
    for (int64_t i = 0; i < int64_t{op.items.count()} * cells; ++i) {
      const std::vector<float> sum = sln_naive::refined_logits(op, i);
      const std::vector<double> logits(sum.begin(), sum.end());
      const std::vector<double> p = sln_naive::softmax(logits);
      for (int c = 0; c < op.channels; ++c)
        worst = farther(worst, op.layers[(i / cells * op.channels + c) * cells + i % cells], p[static_cast<size_t>(c)]);
      worst_confidence = farther(worst_confidence, op.confidence[i], std::min(1 - p[0], 1 - 1.0 / 1024));
      levels_right = levels_right && op.level[i] == sln_naive::level(logits);
    }
    CHECK(worst <= kTolerance);
    CHECK(worst_confidence <= kTolerance);
    CHECK(levels_right);
  });
}

TEST_CASE("refinement takes the lowest level on ties and keeps C under 1") {
  // Logits of 5 channels; channel 0 is "not this object".
  const std::vector<float> ilm = {99, 1, 2, 2, 0, -99, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0.5f};
  const std::vector<float> residual = {0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 1, 0, 1, 0};
  std::vector<float> layers(20), confidence(4);
  std::vector<uint8_t> level(4);
  sln::RefineOp op;
  op.ilm_logits = ilm.data(), op.residual = residual.data(), op.items = {1};
  op.pixels_per_item = 4, op.logits_stride = op.channels = 5;
  op.layers = layers.data(), op.confidence = confidence.data(), op.level = level.data();
  sln::cpu::ThreadPool pool(1);
  run_on_cpu(op, pool);
  CHECK(level == std::vector<uint8_t>{0, 0, 3, 0});
  CHECK(confidence[0] == 0);
  CHECK(confidence[1] == 1.0f - 1.0f / 1024);
}

}  // namespace sln_test
