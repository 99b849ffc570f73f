#include "kernels/upsample_sum.h"

#include <catch2/catch.hpp>

#include "kernels/cpu/parallel.h"
#include "kernels/isa.h"
#include "kernels/math/bilinear.h"
#include "tests/naive/bilinear.h"
#include "tests/support/op_buffers.h"
#include "tests/support/padded.h"

namespace {

struct Problem {
  std::vector<sln_naive::Map> maps;
  std::vector<std::vector<float>> sources;  // the maps with padded pixels
  int h, w, channels, source_stride, dst_stride;

  Problem(int out_h, int out_w, int n_channels, const std::vector<std::pair<int, int>>& ratios, int padding)
      : h(out_h),
        w(out_w),
        channels(n_channels),
        source_stride(n_channels + padding),
        dst_stride(n_channels + 16 * padding) {
    sln_test::Random random(static_cast<uint32_t>(h * 100 + channels));
    for (const auto& [ratio_h, ratio_w] : ratios) {
      const int map_h = h / ratio_h, map_w = w / ratio_w;
      maps.push_back({random.vector(static_cast<size_t>(map_h) * map_w * channels), map_h, map_w, channels});
      sources.push_back(sln_test::with_stride(maps.back().data, channels, source_stride));
    }
  }

  std::vector<float> run(int threads) const {
    sln::cpu::ThreadPool pool(threads);
    sln_test::Guarded<float> dst(static_cast<size_t>(h) * w * dst_stride);
    sln::UpsampleSumOp p;
    p.count = static_cast<int>(maps.size());
    for (size_t i = 0; i < maps.size(); ++i) p.sources[i] = {sources[i].data(), maps[i].h, maps[i].w, source_stride};
    p.channels = channels;
    p.dst = dst.data();
    p.h = h;
    p.w = w;
    p.dst_stride = dst_stride;
    sln::cpu::run(p, nullptr, pool);
    CHECK(dst.intact());
    return dst.values();
  }

  // One output value by the functions of math/bilinear.h, in the stated order.
  float scalar_value(int y, int x, int c) const {
    float sum = 0;
    for (size_t i = 0; i < maps.size(); ++i) {
      const auto& m = maps[i];
      const sln::Taps ty = sln::clamped_taps(sln::half_pixel(y, static_cast<float>(m.h) / static_cast<float>(h)), m.h);
      const sln::Taps tx = sln::clamped_taps(sln::half_pixel(x, static_cast<float>(m.w) / static_cast<float>(w)), m.w);
      const auto at = [&](int r, int q) { return static_cast<float>(m.at(r, q, c)); };
      const float top = sln::lerp(at(ty.lo, tx.lo), at(ty.lo, tx.hi), tx.t);
      const float bottom = sln::lerp(at(ty.hi, tx.lo), at(ty.hi, tx.hi), tx.t);
      const float value = sln::lerp(top, bottom, ty.t);
      sum = i == 0 ? value : sum + value;
    }
    return sum;
  }
};

void check(const Problem& problem) {
  INFO(problem.h << " x " << problem.w << " x " << problem.channels << " from " << problem.maps.size());
  std::vector<double> expected(static_cast<size_t>(problem.h) * problem.w * problem.channels, 0.0);
  for (const auto& map : problem.maps) {
    const std::vector<double> one = sln_naive::enlarge(map, problem.h, problem.w);
    for (size_t i = 0; i < expected.size(); ++i) expected[i] += one[i];
  }
  const std::vector<float> out = problem.run(1);
  const auto result = sln_test::compare(out, problem.dst_stride, expected, problem.channels);
  CHECK(result.worst <= 3e-6);
  CHECK(result.rest_untouched);
  for (const int threads : {2, 3}) CHECK(sln_test::same_bytes(out, problem.run(threads)));

  if (sln::cpu::isa() == sln::cpu::Isa::kSse4) return;  // no FMA: rounds twice
  bool equal = true;
  for (int y = 0; y < problem.h; ++y) {
    for (int x = 0; x < problem.w; ++x) {
      for (int c = 0; c < problem.channels; ++c) {
        const float value = out[(static_cast<size_t>(y) * problem.w + x) * problem.dst_stride + c];
        equal = equal && value == problem.scalar_value(y, x, c);
      }
    }
  }
  CHECK(equal);
}

}  // namespace

TEST_CASE("upsample_sum agrees with its definition and with the scalar maths") {
  for (const int channels : {16, 48, 256}) {
    check(Problem(16, 16, channels, {{2, 2}, {4, 4}, {8, 8}}, 0));
    check(Problem(8, 8, channels, {{2, 2}, {4, 4}, {8, 8}}, 1));  // the last map has one pixel
    check(Problem(6, 10, channels, {{2, 2}, {1, 5}}, 1));
    check(Problem(9, 15, channels, {{3, 5}}, 0));
    check(Problem(1, 1, channels, {{1, 1}}, 0));
    check(Problem(7, 3, channels, {{7, 1}, {1, 3}, {7, 3}}, 0));
  }
}
