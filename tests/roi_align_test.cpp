#include "kernels/roi_align.h"

#include <catch2/catch.hpp>
#include <cmath>
#include <limits>

#include "kernels/cpu/parallel.h"
#include "kernels/isa.h"
#include "kernels/math/bilinear.h"
#include "tests/naive/bilinear.h"
#include "tests/support/op_buffers.h"
#include "tests/support/padded.h"

namespace {

struct Problem {
  sln_naive::Map map;
  std::vector<float> src;
  std::vector<float> boxes;
  int side;
  int src_stride;
  int dst_stride;

  Problem(int h, int w, int channels, int roi_side, std::vector<float> the_boxes, int padding)
      : boxes(std::move(the_boxes)),
        side(roi_side),
        src_stride(channels + padding),
        dst_stride(sln_test::ceil16(channels) + 16 * (padding % 2)) {
    sln_test::Random random(static_cast<uint32_t>(h * 100 + channels));
    map = {random.vector(static_cast<size_t>(h) * w * channels), h, w, channels};
    src = sln_test::with_stride(map.data, channels, src_stride);
  }
  size_t count() const { return boxes.size() / 4; }

  std::vector<float> run(int threads) const {
    sln::cpu::ThreadPool pool(threads);
    sln_test::Guarded<float> dst(count() * side * side * dst_stride);
    sln::RoiAlignOp p;
    p.src = src.data();
    p.h = map.h;
    p.w = map.w;
    p.src_stride = src_stride;
    p.channels = map.channels;
    p.boxes = boxes.data();
    p.items = {static_cast<int>(count())};
    p.side = side;
    p.dst = dst.data();
    p.dst_stride = dst_stride;
    sln::cpu::run(p, nullptr, pool);
    CHECK(dst.intact());
    return dst.values();
  }

  std::vector<double> expected() const {
    std::vector<double> all;
    for (size_t i = 0; i < count(); ++i) {
      const std::vector<double> one = sln_naive::roi_align(map, &boxes[4 * i], 0.25, side);
      all.insert(all.end(), one.begin(), one.end());
    }
    return all;
  }

  // One output value by the functions of math/bilinear.h: one fmaf chain over samples and corners, row by row.
  float scalar_value(size_t roi, int bin_y, int bin_x, int c) const {
    const float* box = &boxes[4 * roi];
    float sum = 0;
    for (int sample = 0; sample < 4; ++sample) {
      const auto y = sln::roi_taps(sln::roi_sample_position(box[1], box[3], 0.25f, bin_y, side, sample / 2, 2), map.h);
      const auto x = sln::roi_taps(sln::roi_sample_position(box[0], box[2], 0.25f, bin_x, side, sample % 2, 2), map.w);
      if (!y.inside || !x.inside) continue;
      const auto at = [&](int r, int q) { return static_cast<float>(map.at(r, q, c)); };
      sum = std::fmaf(y.weight_lo * x.weight_lo, at(y.lo, x.lo), sum);
      sum = std::fmaf(y.weight_lo * x.weight_hi, at(y.lo, x.hi), sum);
      sum = std::fmaf(y.weight_hi * x.weight_lo, at(y.hi, x.lo), sum);
      sum = std::fmaf(y.weight_hi * x.weight_hi, at(y.hi, x.hi), sum);
    }
    return sum * 0.25f;
  }
};

void check(const Problem& problem) {
  INFO(problem.map.h << " x " << problem.map.w << " x " << problem.map.channels << " side " << problem.side);
  const int channels = problem.map.channels;
  const std::vector<float> out = problem.run(1);
  const auto result = sln_test::compare(out, problem.dst_stride, problem.expected(), channels);
  CHECK(result.worst <= 2e-5);  // the map's values are of size 1, its coordinates up to 64 carry 4e-6
  CHECK(result.padding_is_zero);
  CHECK(result.rest_untouched);
  for (const int threads : {2, 3}) CHECK(sln_test::same_bytes(out, problem.run(threads)));

  if (sln::cpu::isa() == sln::cpu::Isa::kSse4) return;  // no FMA: rounds twice
  bool equal = true;
  for (size_t pixel = 0; pixel < problem.count() * problem.side * problem.side; ++pixel) {
    const size_t roi = pixel / (static_cast<size_t>(problem.side) * problem.side);
    const int y = static_cast<int>(pixel / problem.side % problem.side), x = static_cast<int>(pixel % problem.side);
    for (int c = 0; c < channels; ++c) {
      equal = equal && out[pixel * problem.dst_stride + c] == problem.scalar_value(roi, y, x, c);
    }
  }
  CHECK(equal);
}

}  // namespace

TEST_CASE("roi_align agrees with its definition and with the scalar maths") {
  const std::vector<float> boxes = {
      0,     0,    64,    64,     // the whole canvas
      3.3f,  9.1f, 40.7f, 30.2f,  //
      60,    60,   64,    64,     // the last pixel of the map
      0,     0,    1,     1,      // less than one pixel of the map
      20.5f, 7,    20.5f, 50,     // no width
      5,     5,    6.5f,  64,
  };
  for (const int channels : {1, 5, 16, 21, 37}) {
    for (const int side : {1, 7, 14}) {
      check(Problem(16, 16, channels, side, boxes, 0));
      check(Problem(16, 16, channels, side, boxes, 3));
    }
  }
  check(Problem(16, 16, 261, 28, boxes, 11));
}

TEST_CASE("roi_align reads 0 beyond one pixel outside of the map and clamps before") {
  // Boxes far outside, so that samples cross -1 and the size of the map (not at either of them exactly).
  const std::vector<float> boxes = {-30.3f, -20.7f, 90.1f, 80.9f, -300, -300, -200, -200, 30, 40, 400, 411};
  for (const auto& [h, w] : {std::pair{16, 16}, std::pair{5, 13}, std::pair{1, 1}})
    check(Problem(h, w, 21, 9, boxes, 0));
}

TEST_CASE("roi_align includes samples at exactly -1 and at exactly the map's size") {
  // One bin: samples at x0/4 - 0.5 + (1/4, 3/4) of the width.
  Problem problem(4, 4, 1, 1, {-4, 2, 4, 2.001f}, 0);  // x samples at -1 and 0
  CHECK(problem.scalar_value(0, 0, 0, 0) == Approx(problem.map.at(0, 0, 0)).epsilon(1e-3));
  check(problem);
  Problem right(4, 4, 1, 1, {14, 2, 22, 2.001f}, 0);  // x samples at 3.5 and 4.5, the second outside
  CHECK(right.run(1)[0] == Approx(right.map.at(0, 3, 0) / 2).epsilon(1e-3));
  check(right);
  Problem edge(4, 4, 1, 1, {12, 2, 20, 2.001f}, 0);  // x samples at 3 and 4
  CHECK(edge.run(1)[0] == Approx(edge.map.at(0, 3, 0)).epsilon(1e-3));
  check(edge);
}

TEST_CASE("roi_align of no boxes writes nothing, and NaN boxes read as 0") {
  CHECK(Problem(4, 4, 5, 7, {}, 0).run(2).empty());
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const Problem problem(4, 4, 5, 2, {nan, 0, 8, 8}, 0);
  CHECK(problem.run(1) == std::vector<float>(size_t{4} * 16, 0.0f));
}
