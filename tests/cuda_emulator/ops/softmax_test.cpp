// Softmax on CUDA against the CPU's with fused multiply-adds: every byte, what is not written included.
#include "kernels/semdist.h"

#include <catch2/catch.hpp>
#include <limits>
#include <stdexcept>
#include <string>
#include <vector>

#include "kernels/cpu/parallel.h"
#include "kernels/cuda/ops.h"
#include "kernels/isa.h"
#include "kernels/math/semdist.h"
#include "tests/support/op_buffers.h"
#include "tests/support/op_on_device.h"
#include "tests/support/padded.h"
#include "tests/support/softmax_cases.h"

namespace sln {
namespace {

using sln_test::first_difference;
using sln_test::Random;
using sln_test::SoftmaxCase;

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr float kInfinity = std::numeric_limits<float>::infinity();

// What the CPU's vectors give; without fused multiply-adds, the scalar maths.
void run_on_cpu(const SoftmaxOp& op) {
  if (cpu::isa() != cpu::Isa::kSse4) {
    cpu::ThreadPool pool(1);
    return cpu::run(op, nullptr, pool);
  }
  for (int64_t i = 0; i < int64_t{op.items.count()} * op.pixels_per_item; ++i) {
    const std::vector<float> p = sln_test::scalar_softmax(op.src + i * op.src_stride, op.channels);
    float sum = 0;
    for (int c = 1; c < op.channels; ++c) sum = expected_semdist_step(sum, c - 1, p[static_cast<size_t>(c)]);
    std::copy(p.begin(), p.end(), op.dst + i * op.dst_stride);
    std::fill_n(op.dst + i * op.dst_stride + op.channels, op.zero_pad, 0.0f);
    if (op.semdist != nullptr) op.semdist[i * op.semdist_stride] = sum;
  }
}

int run_on_cuda(const SoftmaxOp& op) {
  return sln_test::run_on_device(op, [](const SoftmaxOp& moved) { return cuda::run(moved, nullptr, nullptr); });
}

struct Outputs {
  std::vector<float> dst, semdist;
};

// Runs the op with outputs of its own.
template <class Run>
Outputs run(SoftmaxOp op, bool semdist, const Run& body) {
  const size_t pixels = static_cast<size_t>(op.items.room) * static_cast<size_t>(op.pixels_per_item);
  sln_test::Guarded<float> dst(pixels * static_cast<size_t>(op.dst_stride));
  sln_test::Guarded<float> sums(semdist ? pixels * static_cast<size_t>(op.semdist_stride) : 0);
  op.dst = dst.data();
  op.semdist = semdist ? sums.data() : nullptr;
  body(op);
  CHECK(dst.intact());
  CHECK(sums.intact());
  return {dst.values(), sums.values()};
}

// logits: (items.room, pixels_per_item, channels).
void check(const SoftmaxCase& c, const Items& items, const std::vector<float>& logits) {
  CAPTURE(c, items.room, items.count());
  std::vector<float> src = sln_test::with_stride(logits, c.channels, c.src_stride);
  SoftmaxOp op;
  op.src = src.data();
  op.items = items;
  op.pixels_per_item = c.pixels;
  op.src_stride = c.src_stride;
  op.channels = c.channels;
  op.dst_stride = c.dst_stride;
  op.zero_pad = c.zero_pad;
  op.semdist_stride = c.semdist_stride;
  const Outputs expected = run(op, c.semdist_stride > 0, run_on_cpu);
  const Outputs got = run(op, c.semdist_stride > 0, [](const SoftmaxOp& one) { CHECK(run_on_cuda(one) == 0); });
  CHECK(first_difference(got.dst, expected.dst) == -1);
  CHECK(first_difference(got.semdist, expected.semdist) == -1);
}

std::vector<float> random_logits(Random& random, const SoftmaxCase& c, int items, float range) {
  return random.vector(static_cast<size_t>(items) * static_cast<size_t>(c.pixels) * static_cast<size_t>(c.channels),
                       -range, range);
}

}  // namespace

TEST_CASE("softmax on CUDA gives the CPU's bytes") {
  Random random(1);
  for (const SoftmaxCase& c : sln_test::softmax_cases()) {
    for (const float range : {1.0f, 12.0f, 90.0f, 3e38f}) check(c, {1}, random_logits(random, c, 1, range));
  }
}

TEST_CASE("softmax on CUDA gives the CPU's bytes for every number of channels, NaN and infinities among them") {
  Random random(2);
  const std::vector<float> values = {kNan, kInfinity, -kInfinity, -kInfinity, 0.0f, -0.0f, 3e38f, -3e38f, 88.0f};
  for (int channels = 1; channels <= 16; ++channels) {
    for (const int zero_pad : {0, 3, 16}) {
      const SoftmaxCase c = {
          300,      channels,           channels + random.below(4), channels + zero_pad + random.below(3),
          zero_pad, 1 + random.below(2)};
      std::vector<float> logits = random_logits(random, c, 1, 20);
      for (float& z : logits) {
        if (random.below(2 * channels) == 0) z = values[static_cast<size_t>(random.below(9))];
      }
      check(c, {1}, logits);
    }
  }
}

TEST_CASE("softmax on CUDA reads and writes the items in use only") {
  Random random(3);
  for (const SoftmaxCase& c : {SoftmaxCase{50, 5, 16, 16, 11, 0}, SoftmaxCase{43, 3, 4, 3, 0, 2}}) {
    for (int32_t used = 0; used <= 7; ++used) {
      std::vector<float> logits = random_logits(random, c, 7, 8);
      for (size_t i = static_cast<size_t>(used * c.pixels * c.channels); i < logits.size(); ++i) logits[i] = kNan;
      check(c, {7, &used}, logits);
    }
  }
  check(SoftmaxCase{50, 5, 16, 16, 11, 1}, {0}, {});
}

TEST_CASE("softmax on CUDA leaves alone what shares a pixel with its input and its outputs") {
  // 16 features, of which 5 are the logits; behind them the probabilities in 16 floats, and the sem-dist.
  constexpr size_t kStride = 36;
  constexpr size_t kPixels = 200;
  for (const size_t shift : {0, 1}) {
    CAPTURE(shift);
    const std::vector<float> before = Random(4).vector(shift + kStride * kPixels);
    const auto run_in = [&](std::vector<float>& all, const auto& body) {
      SoftmaxOp op;
      op.src = all.data() + shift;
      op.dst = all.data() + shift + 16;
      op.semdist = all.data() + shift + 32;
      op.src_stride = op.dst_stride = op.semdist_stride = kStride;
      op.items = {2};
      op.pixels_per_item = kPixels / 2;
      op.channels = 5;
      op.zero_pad = 11;
      body(op);
    };
    std::vector<float> expected = before;
    std::vector<float> got = before;
    run_in(expected, run_on_cpu);
    run_in(got, [](const SoftmaxOp& op) { CHECK(run_on_cuda(op) == 0); });
    CHECK(sln_test::same_bytes(got, expected));
  }
}

TEST_CASE("softmax on CUDA refuses what cannot be") {
  float values[64] = {};
  SoftmaxOp good;
  good.src = values;
  good.dst = values + 32;
  good.items = {1};
  good.pixels_per_item = 1;
  good.src_stride = good.dst_stride = 16;
  good.channels = 5;
  const auto refuses = [&](const char* text, auto change) {
    SoftmaxOp op = good;
    change(op);
    CHECK_THROWS_AS(cuda::run(op, nullptr, nullptr), std::invalid_argument);
    CHECK_THROWS_WITH(cuda::run(op, nullptr, nullptr), Catch::Contains(text));
  };
  refuses("null", [](SoftmaxOp& op) { op.src = nullptr; });
  refuses("null", [](SoftmaxOp& op) { op.dst = nullptr; });
  refuses("1..16", [](SoftmaxOp& op) { op.channels = 0; });
  refuses("1..16", [](SoftmaxOp& op) { op.channels = 17, op.src_stride = op.dst_stride = 32; });
  refuses("zero_pad", [](SoftmaxOp& op) { op.zero_pad = -1; });
  refuses("zero_pad", [](SoftmaxOp& op) { op.zero_pad = 12; });
  refuses("src_stride", [](SoftmaxOp& op) { op.src_stride = 4; });
  refuses("semdist_stride", [](SoftmaxOp& op) { op.semdist = op.dst + 16; });
  const char* const offsets = "2147483647 elements, the limit of 32-bit offsets";
  refuses(offsets, [](SoftmaxOp& op) { op.pixels_per_item = 1 << 27; });
  refuses(offsets, [](SoftmaxOp& op) { op.items.room = 1 << 27; });
  refuses(offsets, [](SoftmaxOp& op) { op.items.room = op.pixels_per_item = 2147483647; });
  refuses(offsets, [](SoftmaxOp& op) { op.pixels_per_item = 2, op.dst_stride = 1 << 30; });
}

}  // namespace sln
