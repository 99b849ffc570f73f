#include "kernels/semdist.h"

#include <catch2/catch.hpp>
#include <cmath>
#include <limits>

#include "kernels/cpu/parallel.h"
#include "kernels/isa.h"
#include "kernels/math/semdist.h"
#include "tests/naive/semdist.h"
#include "tests/support/op_buffers.h"
#include "tests/support/padded.h"
#include "tests/support/softmax_cases.h"

namespace {

constexpr double kTolerance = 5e-7;  // of probabilities

std::vector<double> pixel_of(const std::vector<float>& dense, size_t pixel, int channels) {
  const auto first = dense.begin() + static_cast<ptrdiff_t>(pixel) * channels;
  return {first, first + channels};
}

bool has_fma() {
  return sln::cpu::isa() != sln::cpu::Isa::kSse4;
}

struct SoftmaxResult {
  std::vector<float> dst, semdist;
};

SoftmaxResult run_softmax(const std::vector<float>& src, int64_t pixels, int src_stride, int channels, int dst_stride,
                          int zero_pad, int semdist_stride, int threads) {
  sln::cpu::ThreadPool pool(threads);
  sln_test::Guarded<float> dst(static_cast<size_t>(pixels) * dst_stride);
  sln_test::Guarded<float> semdist(static_cast<size_t>(pixels) * semdist_stride);
  sln::SoftmaxOp p;
  p.src = src.data();
  p.items = {static_cast<int>(pixels)};
  p.pixels_per_item = 1;
  p.src_stride = src_stride;
  p.channels = channels;
  p.dst = dst.data();
  p.dst_stride = dst_stride;
  p.zero_pad = zero_pad;
  p.semdist = semdist_stride > 0 ? semdist.data() : nullptr;
  p.semdist_stride = semdist_stride;
  sln::cpu::run(p, nullptr, pool);
  CHECK(dst.intact());
  CHECK(semdist.intact());
  return {dst.values(), semdist.values()};
}

void check_softmax(const sln_test::SoftmaxCase& softmax_case) {
  CAPTURE(softmax_case);
  const auto [pixels, channels, src_stride, dst_stride, zero_pad, semdist_stride] = softmax_case;
  sln_test::Random random(static_cast<uint32_t>(pixels * 20 + channels));
  const std::vector<float> dense = random.vector(static_cast<size_t>(pixels) * channels, -12, 12);
  const std::vector<float> src = sln_test::with_stride(dense, channels, src_stride);
  const auto out = run_softmax(src, pixels, src_stride, channels, dst_stride, zero_pad, semdist_stride, 1);
  double worst = 0, worst_semdist = 0;
  bool padding_right = true, equal = true;
  for (size_t i = 0; i < static_cast<size_t>(pixels); ++i) {
    const std::vector<double> p = sln_naive::softmax(pixel_of(dense, i, channels));
    const std::vector<float> scalar = sln_test::scalar_softmax(&dense[i * channels], channels);
    float scalar_semdist = 0;
    for (int c = 0; c < dst_stride; ++c) {
      const float value = out.dst[i * dst_stride + c];
      if (c < channels) {
        worst = std::max(worst, std::isnan(value) ? 1.0 : std::fabs(value - p[c]));
        equal = equal && value == scalar[c];
        if (c > 0) scalar_semdist = sln::expected_semdist_step(scalar_semdist, c - 1, scalar[c]);
      } else {
        padding_right = padding_right && (c < channels + zero_pad ? value == 0 : std::isnan(value));
      }
    }
    for (int c = 0; c < semdist_stride; ++c) {
      const float value = out.semdist[i * semdist_stride + c];
      if (c == 0) worst_semdist = std::max(worst_semdist, std::fabs(value - sln_naive::expected_semdist(p)));
      if (c == 0) equal = equal && value == scalar_semdist;
      if (c > 0) padding_right = padding_right && std::isnan(value);
    }
  }
  CHECK(worst <= kTolerance);
  CHECK(worst_semdist <= kTolerance * channels);
  CHECK(padding_right);
  CHECK((equal || !has_fma()));
  for (const int threads : {2, 3}) {
    const auto again = run_softmax(src, pixels, src_stride, channels, dst_stride, zero_pad, semdist_stride, threads);
    CHECK(sln_test::same_bytes(out.dst, again.dst));
    CHECK(sln_test::same_bytes(out.semdist, again.semdist));
  }
}

struct Planes {
  std::vector<float> layers, confidence;
  std::vector<uint8_t> level;
};

Planes run_refine(const std::vector<float>& ilm, const std::vector<float>& residual, int rois, int pixels_per_roi,
                  int channels, int stride, int threads) {
  sln::cpu::ThreadPool pool(threads);
  const size_t pixels = static_cast<size_t>(rois) * pixels_per_roi;
  sln_test::Guarded<float> layers(pixels * channels), confidence(pixels);
  sln_test::Guarded<uint8_t> level(pixels);
  sln::RefineOp p;
  p.ilm_logits = ilm.data();
  p.residual = residual.data();
  p.items = {rois};
  p.logits_stride = stride;
  p.channels = channels;
  p.layers = layers.data();
  p.pixels_per_item = pixels_per_roi;
  p.confidence = confidence.data();
  p.level = level.data();
  sln::cpu::run(p, nullptr, pool);
  CHECK((layers.intact() && confidence.intact() && level.intact()));
  return {layers.values(), confidence.values(), level.values()};
}

void check_refine(int rois, int side, int channels, int stride) {
  INFO(rois << " rois, side " << side << ", " << channels << " channels, stride " << stride);
  const int pixels_per_roi = side * side;
  sln_test::Random random(static_cast<uint32_t>(side * 20 + channels));
  const size_t values = static_cast<size_t>(rois) * pixels_per_roi * channels;
  const std::vector<float> ilm = random.vector(values, -6, 6), residual = random.vector(values, -6, 6);
  const std::vector<float> ilm_src = sln_test::with_stride(ilm, channels, stride);
  const std::vector<float> residual_src = sln_test::with_stride(residual, channels, stride);
  const Planes out = run_refine(ilm_src, residual_src, rois, pixels_per_roi, channels, stride, 1);
  double worst = 0, worst_confidence = 0;
  bool levels_right = true, equal = true;
  for (size_t i = 0; i < static_cast<size_t>(rois) * pixels_per_roi; ++i) {
    std::vector<float> sum;
    for (int c = 0; c < channels; ++c) sum.push_back(ilm[i * channels + c] + residual[i * channels + c]);
    const std::vector<double> logits(sum.begin(), sum.end());
    const std::vector<double> p = sln_naive::softmax(logits);
    const std::vector<float> scalar = sln_test::scalar_softmax(sum.data(), channels);
    const size_t roi = i / pixels_per_roi, cell = i % pixels_per_roi;
    for (int c = 0; c < channels; ++c) {
      const float value = out.layers[(roi * channels + c) * pixels_per_roi + cell];
      worst = std::max(worst, std::isnan(value) ? 1.0 : std::fabs(value - p[c]));
      equal = equal && value == scalar[c];
    }
    const double c = std::min(1 - p[0], 1 - 1.0 / 1024);
    worst_confidence = std::max(worst_confidence, std::isnan(out.confidence[i]) ? 1 : std::fabs(out.confidence[i] - c));
    equal = equal && out.confidence[i] == sln::confidence(scalar[0]);
    levels_right = levels_right && out.level[i] == sln_naive::level(logits);
  }
  CHECK(worst <= kTolerance);
  CHECK(worst_confidence <= kTolerance);
  CHECK(levels_right);
  CHECK((equal || !has_fma()));
  for (const int threads : {2, 3}) {
    const Planes again = run_refine(ilm_src, residual_src, rois, pixels_per_roi, channels, stride, threads);
    CHECK(sln_test::same_bytes(out.layers, again.layers));
    CHECK(sln_test::same_bytes(out.confidence, again.confidence));
    CHECK(out.level == again.level);
  }
}

}  // namespace

TEST_CASE("softmax agrees with its definition and with the scalar maths") {
  for (const sln_test::SoftmaxCase& c : sln_test::softmax_cases()) check_softmax(c);
}

TEST_CASE("softmax of extreme logits stays finite") {
  const float infinity = std::numeric_limits<float>::infinity();
  const std::vector<float> src = {1e38f, -1e38f, 0,    3e38f, 3e38f, -infinity, 88,  88,
                                  88,    87,     -300, -100,  -200,  -300,      -400};
  const auto out = run_softmax(src, 3, 5, 5, 5, 0, 1, 1);
  CHECK(std::vector<float>(out.dst.begin(), out.dst.begin() + 5) == std::vector<float>{0, 0, 0, 0.5f, 0.5f});
  CHECK(out.dst[5] == 0);
  CHECK(out.dst[6] == Approx(1 / (3 + std::exp(-1.0))));
  CHECK(out.dst[11] == 1);
  CHECK(out.dst[14] == 0);
}

TEST_CASE("refine_planes agrees with its definition and with the scalar maths") {
  for (const int side : {1, 3, 4, 7, 28}) check_refine(3, side, 5, 16);
  for (const int channels : {2, 3, 9, 16}) check_refine(5, 5, channels, 16);
  check_refine(1, 4, 5, 5);
  CHECK(run_refine({}, {}, 0, 16, 5, 16, 2).layers.empty());
}

TEST_CASE("refine_planes takes the lowest level on ties and keeps C under 1") {
  // Logits of 5 channels; channel 0 is "not this object".
  const std::vector<float> ilm = {99, 1, 2, 2, 0, -99, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0.5f};
  const std::vector<float> residual = {0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 1, 0, 1, 0};
  const Planes out = run_refine(ilm, residual, 1, 4, 5, 5, 1);
  CHECK(out.level == std::vector<uint8_t>{0, 0, 3, 0});
  CHECK(out.confidence[0] == 0);
  CHECK(out.confidence[1] == 1.0f - 1.0f / 1024);
}
