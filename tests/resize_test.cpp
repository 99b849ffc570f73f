// Resizing against PyTorch's and against its definition in double; bytes: ops_test.
#include "kernels/resize.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>
#include <utility>
#include <vector>

#include "tests/naive/resize.h"
#include "tests/support/op_on_cpu.h"

namespace sln_test {
namespace {

constexpr double kTolerance = 5e-3;  // grey levels

// The images of golden/make_resize_golden.py.
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

// Without mean and std. The canvas is the caller's.
sln::ResizeOp resize_op(const std::vector<uint8_t>& pixels, int width, int height, std::vector<float>& canvas,
                        int side) {
  const double s = static_cast<double>(side) / std::max(width, height);
  const auto scaled = [&](int size) { return std::max(1, static_cast<int>(std::floor(size * s + 0.5))); };
  canvas.assign(static_cast<size_t>(side) * side * 4, kNan);
  sln::ResizeOp op;
  op.pixels = pixels.data(), op.width = width, op.height = height, op.row_bytes = ptrdiff_t{3} * width;
  op.canvas = canvas.data(), op.side = side, op.scaled_width = scaled(width), op.scaled_height = scaled(height);
  return op;
}

// Largest difference from expected (h, w, 3), grey levels.
double largest_difference(const sln::ResizeOp& op, const std::vector<double>& expected) {
  double worst = 0;
  for (int y = 0; y < op.scaled_height; ++y)
    for (int x = 0; x < op.scaled_width; ++x)
      for (int c = 0; c < 3; ++c) {
        const double value = double{op.canvas[(y * op.side + x) * 4 + c]} * op.std[c] + op.mean[c];
        worst = farther(worst, value, expected[(static_cast<size_t>(y) * op.scaled_width + x) * 3 + c]);
      }
  return worst;
}

}  // namespace

TEST_CASE("resize agrees with PyTorch's antialiased interpolate") {
  std::ifstream file(SLN_SOURCE_DIR "/tests/golden/resize.json");
  const nlohmann::json cases = nlohmann::json::parse(file);
  REQUIRE(cases.size() >= 12);
  sln::cpu::ThreadPool pool(1);
  for (const auto& golden : cases) {
    const int width = golden["width"], height = golden["height"];
    CAPTURE(width, height);
    const std::vector<uint8_t> pixels = noise_image(width, height);
    std::vector<float> canvas;
    const sln::ResizeOp op = resize_op(pixels, width, height, canvas, golden["side"]);
    CHECK(op.scaled_width == golden["scaled_width"].get<int>());
    CHECK(op.scaled_height == golden["scaled_height"].get<int>());
    const std::vector<double> expected = golden["values"];
    REQUIRE(expected.size() == static_cast<size_t>(op.scaled_width) * op.scaled_height * 3);
    run_on_cpu(op, pool);
    CHECK(largest_difference(op, expected) < kTolerance);
  }
}

TEST_CASE("resize agrees with its definition") {
  for_each_run<sln::ResizeOp>([](const sln::ResizeOp& op) {
    // Of the widest photos a sum in float has thousands of terms, and rounds as often.
    const double tolerance = kTolerance + 2e-6 * std::max(op.width, op.height) / op.side;
    CHECK(largest_difference(op, sln_naive::resize(op)) < tolerance);
  });
}

TEST_CASE("a resized image of one colour keeps it") {
  sln::cpu::ThreadPool pool(2);
  for (const auto& [width, height] : {std::pair{4000, 300}, std::pair{3, 5}, std::pair{999, 1001}}) {
    const std::vector<uint8_t> pixels(static_cast<size_t>(width) * height * 3, 255);
    std::vector<float> canvas;
    const sln::ResizeOp op = resize_op(pixels, width, height, canvas, 64);
    run_on_cpu(op, pool);
    CHECK(largest_difference(op, std::vector<double>(static_cast<size_t>(64) * 64 * 3, 255.0)) < 1e-3);
  }
}

}  // namespace sln_test
