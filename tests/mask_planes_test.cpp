#include "kernels/mask_planes.h"

#include <catch2/catch.hpp>
#include <cmath>
#include <limits>
#include <vector>

#include "kernels/cpu/parallel.h"
#include "kernels/isa.h"
#include "kernels/math/activation.h"
#include "kernels/math/semdist.h"
#include "tests/support/op_buffers.h"
#include "tests/support/padded.h"

namespace {

struct Planes {
  std::vector<float> layers, confidence;
  std::vector<uint8_t> level;
};

Planes run(const std::vector<float>& logits, int rois, int cells, int masks, int stride, int threads) {
  sln::cpu::ThreadPool pool(threads);
  const size_t pixels = static_cast<size_t>(rois) * cells;
  sln_test::Guarded<float> layers(pixels * (masks + 1)), confidence(pixels);
  sln_test::Guarded<uint8_t> level(pixels);
  sln::MaskPlanesOp p;
  p.logits = logits.data();
  p.items = {rois};
  p.stride = stride;
  p.masks = masks;
  p.layers = layers.data();
  p.pixels_per_item = cells;
  p.confidence = confidence.data();
  p.level = level.data();
  sln::cpu::run(p, nullptr, pool);
  CHECK((layers.intact() && confidence.intact() && level.intact()));
  return {layers.values(), confidence.values(), level.values()};
}

double sigmoid(double x) {
  return 1 / (1 + std::exp(-x));
}

void check(int rois, int cells, int masks, int stride) {
  INFO(rois << " rois, " << cells << " cells, " << masks << " masks, stride " << stride);
  sln_test::Random random(static_cast<uint32_t>(rois * 100 + cells + masks));
  const size_t pixels = static_cast<size_t>(rois) * cells;
  const std::vector<float> dense = random.vector(pixels * masks, -9, 9);
  const std::vector<float> logits = sln_test::with_stride(dense, masks, stride);
  const Planes out = run(logits, rois, cells, masks, stride, 1);
  double worst = 0;
  bool equal = true;
  for (size_t i = 0; i < pixels; ++i) {
    const float a = dense[i * masks], v = masks == 2 ? dense[i * masks + 1] : 0.0f;
    const float pa = sln::sigmoid(a), pv = sln::sigmoid(v);
    std::vector<float> scalar = {1.0f - pa, pa};
    std::vector<double> exact = {1 - sigmoid(a), sigmoid(a)};
    if (masks == 2) {
      scalar = {1.0f - pa, pa * pv, pa * (1.0f - pv)};
      exact = {1 - sigmoid(a), sigmoid(a) * sigmoid(v), sigmoid(a) * (1 - sigmoid(v))};
    }
    const size_t roi = i / cells, cell = i % cells;
    for (int c = 0; c <= masks; ++c) {
      const float value = out.layers[(roi * (masks + 1) + c) * cells + cell];
      worst = std::max(worst, std::isnan(value) ? 1.0 : std::fabs(value - exact[c]));
      equal = equal && value == scalar[c];
    }
    equal = equal && out.confidence[i] == sln::confidence(scalar[0]);
    CHECK(out.level[i] == (masks == 2 && v < 0 ? 1 : 0));
  }
  CHECK(worst <= 5e-7);
  CHECK((equal || sln::cpu::isa() == sln::cpu::Isa::kSse4));
  for (const int threads : {2, 3}) {
    const Planes again = run(logits, rois, cells, masks, stride, threads);
    CHECK(sln_test::same_bytes(out.layers, again.layers));
    CHECK(sln_test::same_bytes(out.confidence, again.confidence));
    CHECK(out.level == again.level);
  }
}

}  // namespace

TEST_CASE("mask_planes agrees with its definition and with the scalar maths") {
  for (const int masks : {1, 2}) {
    for (const int cells : {1, 9, 16, 49, 784}) check(3, cells, masks, 16);
    check(7, 25, masks, masks);
  }
  CHECK(run({}, 0, 16, 2, 16, 2).layers.empty());
}

TEST_CASE("mask_planes of extreme logits stays finite, and 0 counts as visible") {
  const float infinity = std::numeric_limits<float>::infinity();
  const Planes out = run({200, 0, -200, -0.0f, infinity, -infinity, 0, -1e-30f}, 1, 4, 2, 2, 1);
  CHECK(out.confidence == std::vector<float>{sln::kMaxConfidence, 0, sln::kMaxConfidence, 0.5f});
  CHECK(out.level == std::vector<uint8_t>{0, 0, 1, 1});
  CHECK(std::vector<float>(out.layers.begin() + 4, out.layers.begin() + 8) == std::vector<float>{0.5f, 0, 0, 0.25f});
  CHECK_THROWS(run({0, 0, 0}, 1, 1, 3, 3, 1));
}
