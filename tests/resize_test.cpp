#include "kernels/resize.h"

#include <catch2/catch.hpp>
#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>

#include "kernels/cpu/parallel.h"
#include "kernels/isa.h"
#include "kernels/math/triangle.h"
#include "tests/naive/resize.h"
#include "tests/support/op_buffers.h"

namespace {

constexpr double kTolerance = 5e-3;  // grey levels

// The images of golden/make_resize_golden.py. Exactly as large as its pixels, so that a sanitizer sees one byte more.
std::vector<uint8_t> noise_image(int width, int height) {
  std::vector<uint8_t> pixels(static_cast<size_t>(width) * height * 3);
  size_t i = 0;
  for (uint32_t y = 0; y < static_cast<uint32_t>(height); ++y) {
    for (uint32_t x = 0; x < static_cast<uint32_t>(width); ++x) {
      for (uint32_t c = 0; c < 3; ++c) {
        uint32_t h = x * 2654435761u + y * 2246822519u + c * 3266489917u;
        h ^= h >> 15;
        h *= 668265263u;
        h ^= h >> 13;
        pixels[i++] = static_cast<uint8_t>(h >> 8);
      }
    }
  }
  return pixels;
}

struct Case {
  int width, height, side, w, h;
};

Case make_case(int width, int height, int side) {
  const double s = static_cast<double>(side) / std::max(width, height);
  const auto scaled = [&](int size) { return std::max(1, static_cast<int>(std::floor(size * s + 0.5))); };
  return {width, height, side, scaled(width), scaled(height)};
}

// The canvas for mean 0 and std 1 (grey levels), checked for what is outside of the scaled image.
std::vector<float> run_resize(const std::vector<uint8_t>& pixels, ptrdiff_t row_bytes, const Case& c, int threads,
                              float mean = 0, float std = 1) {
  sln::cpu::ThreadPool pool(threads);
  sln_test::Guarded<float> canvas(static_cast<size_t>(c.side) * c.side * 4);
  sln::ResizeOp op;
  op.pixels = pixels.data();
  op.width = c.width;
  op.height = c.height;
  op.row_bytes = row_bytes;
  op.canvas = canvas.data();
  op.side = c.side;
  op.scaled_width = c.w;
  op.scaled_height = c.h;
  for (int i = 0; i < 3; ++i) op.mean[i] = mean + static_cast<float>(i) * (mean != 0 ? 1.0f : 0.0f);
  for (float& value : op.std) value = std;
  sln_test::Guarded<unsigned char> scratch(sln::cpu::scratch_bytes(op, threads), 0xFF);
  sln::cpu::run(op, scratch.data(), pool);
  CHECK(canvas.intact());
  CHECK(scratch.intact());
  return canvas.values();
}

// Largest difference from expected (h, w, 3); the rest of the canvas must be +0.
double largest_difference(const std::vector<float>& canvas, const Case& c, const std::vector<double>& expected) {
  double worst = 0;
  bool rest_is_zero = true;
  for (int y = 0; y < c.side; ++y) {
    for (int x = 0; x < c.side; ++x) {
      for (int k = 0; k < 4; ++k) {
        const float value = canvas[(static_cast<size_t>(y) * c.side + x) * 4 + k];
        if (y < c.h && x < c.w && k < 3) {
          const double difference = std::fabs(value - expected[(static_cast<size_t>(y) * c.w + x) * 3 + k]);
          worst = difference <= worst ? worst : difference;  // a NaN becomes the worst
        } else {
          rest_is_zero = rest_is_zero && value == 0.0f && !std::signbit(value);
        }
      }
    }
  }
  CHECK(rest_is_zero);
  return worst;
}

// One grey level by the functions of math/triangle.h: an fmaf chain along x for each row, then one along y.
float scalar_value(const std::vector<uint8_t>& pixels, const Case& c, int x, int y, int channel) {
  const auto x_filter = sln::triangle_filter(c.width, c.w), y_filter = sln::triangle_filter(c.height, c.h);
  const sln::TriangleTaps columns = sln::triangle_taps(x_filter, x), rows = sln::triangle_taps(y_filter, y);
  float sum = 0;
  for (int r = rows.begin; r < rows.end; ++r) {
    float row_sum = 0;
    for (int q = columns.begin; q < columns.end; ++q) {
      const float grey = pixels[(static_cast<size_t>(r) * c.width + q) * 3 + channel];
      row_sum = std::fmaf(sln::triangle_weight(x_filter, columns, q), grey, row_sum);
    }
    sum = std::fmaf(sln::triangle_weight(y_filter, rows, r), row_sum, sum);
  }
  return sum;
}

bool equals_scalar(const std::vector<float>& canvas, const std::vector<uint8_t>& pixels, const Case& c) {
  for (int i = 0; i < c.w * c.h * 3; ++i) {
    const int x = i / 3 % c.w, y = i / 3 / c.w;
    const float value = canvas[(static_cast<size_t>(y) * c.side + x) * 4 + i % 3];
    if (value != scalar_value(pixels, c, x, y, i % 3)) return false;
  }
  return true;
}

}  // namespace

TEST_CASE("resize agrees with PyTorch's antialiased interpolate") {
  std::ifstream file(SLN_SOURCE_DIR "/tests/golden/resize.json");
  const nlohmann::json cases = nlohmann::json::parse(file);
  REQUIRE(cases.size() >= 12);
  double worst = 0;
  for (const auto& golden : cases) {
    const Case c = make_case(golden["width"], golden["height"], golden["side"]);
    INFO(c.width << " x " << c.height << " to " << c.side);
    CHECK(c.w == golden["scaled_width"].get<int>());
    CHECK(c.h == golden["scaled_height"].get<int>());
    const std::vector<double> expected = golden["values"];
    REQUIRE(expected.size() == static_cast<size_t>(c.w) * c.h * 3);
    const auto canvas = run_resize(noise_image(c.width, c.height), ptrdiff_t{3} * c.width, c, 1);
    const double difference = largest_difference(canvas, c, expected);
    CHECK(difference < kTolerance);
    worst = std::max(worst, difference);
  }
  INFO("largest difference " << worst << " grey levels");
  CHECK(worst < kTolerance);
}

TEST_CASE("resize agrees with its definition in double and with the scalar maths, for any number of threads") {
  const Case cases[] = {make_case(1, 1, 1),    make_case(1, 1, 5),    make_case(5, 3, 40),    make_case(40, 40, 40),
                        make_case(41, 40, 40), make_case(39, 7, 40),  make_case(160, 90, 40), make_case(90, 161, 33),
                        make_case(1, 200, 16), make_case(200, 1, 16), make_case(500, 3, 16),  make_case(17, 400, 3)};
  for (const Case& c : cases) {
    INFO(c.width << " x " << c.height << " to " << c.side);
    const auto pixels = noise_image(c.width, c.height);
    const auto canvas = run_resize(pixels, ptrdiff_t{3} * c.width, c, 1);
    CHECK(largest_difference(canvas, c, sln_naive::resize(pixels, c.width, c.height, c.w, c.h)) < kTolerance);
    // Without FMA the chains round twice.
    CHECK((sln::cpu::isa() == sln::cpu::Isa::kSse4 || equals_scalar(canvas, pixels, c)));
    for (const int threads : {2, 3}) {
      CHECK(sln_test::same_bytes(canvas, run_resize(pixels, ptrdiff_t{3} * c.width, c, threads)));
    }
  }
}

TEST_CASE("resize reads rows at their stride and normalises last") {
  const Case c = make_case(50, 30, 20);
  const auto dense = noise_image(c.width, c.height);
  const ptrdiff_t row_bytes = 3 * c.width + 13;
  std::vector<uint8_t> padded(static_cast<size_t>(row_bytes) * (c.height - 1) + 3 * c.width, 255);
  for (int y = 0; y < c.height; ++y) {
    std::copy_n(dense.begin() + ptrdiff_t{3} * c.width * y, 3 * c.width, padded.begin() + row_bytes * y);
  }
  const auto plain = run_resize(dense, ptrdiff_t{3} * c.width, c, 2);
  CHECK(sln_test::same_bytes(plain, run_resize(padded, row_bytes, c, 2)));

  const auto normalised = run_resize(dense, ptrdiff_t{3} * c.width, c, 2, 100, 57);
  bool same = true;
  for (int y = 0; y < c.h; ++y) {
    for (int x = 0; x < c.w; ++x) {
      for (int k = 0; k < 3; ++k) {
        const size_t i = (static_cast<size_t>(y) * c.side + x) * 4 + k;
        same = same && normalised[i] == (plain[i] - (100 + static_cast<float>(k))) / 57;
      }
    }
  }
  CHECK(same);
}

TEST_CASE("a resized image of one colour keeps it") {
  for (const auto& [width, height] : {std::pair{4000, 300}, std::pair{3, 5}, std::pair{999, 1001}}) {
    const Case c = make_case(width, height, 64);
    const std::vector<uint8_t> pixels(static_cast<size_t>(width) * height * 3, 255);
    const auto canvas = run_resize(pixels, ptrdiff_t{3} * width, c, 2);
    CHECK(largest_difference(canvas, c, std::vector<double>(static_cast<size_t>(c.w) * c.h * 3, 255.0)) < 1e-3);
  }
}
