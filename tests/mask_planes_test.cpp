// The planes of masks against their definition in double; bytes: ops_test.
#include "kernels/mask_planes.h"

#include <catch2/catch.hpp>
#include <cmath>
#include <vector>

#include "kernels/math/semdist.h"
#include "tests/support/op_on_cpu.h"

namespace sln_test {
namespace {

double sigmoid(double x) {
  return 1 / (1 + std::exp(-x));
}

}  // namespace

TEST_CASE("mask_planes agrees with its definition") {
  for_each_run<sln::MaskPlanesOp>([](const sln::MaskPlanesOp& op) {
    const int64_t cells = op.pixels_per_item;
    double worst = 0;
    bool levels_right = true;
    for (int64_t i = 0; i < op.items.count() * cells; ++i) {
      const float* const logits = op.logits + i * op.stride;
      const double a = sigmoid(logits[0]), v = op.masks == 2 ? sigmoid(logits[1]) : 1;
      const double planes[3] = {1 - a, a * v, a * (1 - v)};
      for (int c = 0; c <= op.masks; ++c)
        worst = farther(worst, op.layers[(i / cells * (op.masks + 1) + c) * cells + i % cells], planes[c]);
      worst = farther(worst, op.confidence[i], std::min(a, 1 - 1.0 / 1024));
      levels_right = levels_right && op.level[i] == (op.masks == 2 && logits[1] < 0 ? 1 : 0);
    }
    CHECK(worst <= 5e-7);
    CHECK(levels_right);
  });
}

TEST_CASE("mask_planes of extreme logits stays finite, and 0 counts as visible") {
  const std::vector<float> logits = {200, 0, -200, -0.0f, kInfinity, -kInfinity, 0, -1e-30f};
  std::vector<float> layers(12), confidence(4);
  std::vector<uint8_t> level(4);
  sln::MaskPlanesOp op;
  op.logits = logits.data(), op.items = {1}, op.pixels_per_item = 4, op.stride = op.masks = 2;
  op.layers = layers.data(), op.confidence = confidence.data(), op.level = level.data();
  sln::cpu::ThreadPool pool(1);
  sln::cpu::run(op, nullptr, pool);
  CHECK(confidence == std::vector<float>{sln::kMaxConfidence, 0, sln::kMaxConfidence, 0.5f});
  CHECK(level == std::vector<uint8_t>{0, 0, 1, 1});
  CHECK(std::vector<float>(layers.begin() + 4, layers.begin() + 8) == std::vector<float>{0.5f, 0, 0, 0.25f});
  op.masks = 3;
  CHECK_THROWS(sln::cpu::run(op, nullptr, pool));
}

}  // namespace sln_test
