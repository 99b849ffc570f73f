#include "kernels/pool.h"

#include <catch2/catch.hpp>

#include "kernels/cpu/parallel.h"
#include "tests/naive/pool.h"
#include "tests/support/op_buffers.h"
#include "tests/support/padded.h"

namespace {

constexpr auto kMax = sln::PoolKind::kMax;
constexpr auto kAverage = sln::PoolKind::kAverage;

std::vector<float> run_op(sln::PoolKind kind, const std::vector<float>& src, int src_stride,
                          const sln_naive::PoolShape& s, int dst_stride, int threads) {
  sln::cpu::ThreadPool pool(threads);
  sln_test::Guarded<float> dst(static_cast<size_t>(s.out_h) * s.out_w * dst_stride);
  sln::PoolOp p;
  p.src = src.data();
  p.in_h = s.h;
  p.in_w = s.w;
  p.src_stride = src_stride;
  p.channels = s.channels;
  p.dst = dst.data();
  p.out_h = s.out_h;
  p.out_w = s.out_w;
  p.dst_stride = dst_stride;
  p.kernel = s.kernel;
  p.stride = s.stride;
  p.pad = s.pad;
  p.kind = kind;
  sln::cpu::run(p, nullptr, pool);
  CHECK(dst.intact());
  return dst.values();
}

void check(sln::PoolKind kind, const sln_naive::PoolShape& s, int extra_stride, double tolerance) {
  INFO(s.h << " x " << s.w << " x " << s.channels << " kernel " << s.kernel << " stride " << s.stride << " pad "
           << s.pad);
  sln_test::Random random(static_cast<uint32_t>(s.h * 1000 + s.channels));
  const std::vector<float> map = random.vector(static_cast<size_t>(s.h) * s.w * s.channels, -3, 1);
  const int src_stride = s.channels + extra_stride;
  const int dst_stride = sln_test::ceil16(s.channels) + 16 * (extra_stride % 2);
  const std::vector<float> src = sln_test::with_stride(map, s.channels, src_stride);
  const std::vector<float> out = run_op(kind, src, src_stride, s, dst_stride, 1);
  const auto result = sln_test::compare(out, dst_stride, sln_naive::pool(map, s, kind == kMax), s.channels);
  CHECK(result.worst <= tolerance);
  CHECK(result.padding_is_zero);
  CHECK(result.rest_untouched);
  for (const int threads : {2, 3})
    CHECK(sln_test::same_bytes(out, run_op(kind, src, src_stride, s, dst_stride, threads)));
}

}  // namespace

TEST_CASE("max_pool agrees with its definition") {
  for (const int channels : {1, 4, 5, 16, 21, 32, 64}) {
    check(kMax, {8, 8, channels, 3, 2, 1, 4, 4}, 0, 0);  // the stem's, even size
    check(kMax, {9, 7, channels, 3, 2, 1, 5, 4}, 3, 0);
    check(kMax, {1, 1, channels, 3, 2, 1, 1, 1}, 1, 0);
    check(kMax, {6, 5, channels, 2, 1, 0, 5, 4}, 0, 0);
    check(kMax, {5, 6, channels, 5, 3, 2, 2, 2}, 0, 0);
  }
}

TEST_CASE("max_pool's padding is lower than any value") {
  const sln_naive::PoolShape s = {3, 3, 17, 3, 2, 1, 2, 2};
  const std::vector<float> map(3 * 3 * 17, -1e38f);
  const auto result = sln_test::compare(run_op(kMax, map, 17, s, 32, 1), 32, sln_naive::pool(map, s, true), 17);
  CHECK(result.worst == 0);
}

TEST_CASE("average_pool agrees with its definition") {
  for (const int channels : {1, 5, 16, 37, 261}) {
    for (const int kernel : {1, 2, 4}) {
      check(kAverage, {2 * kernel, 3 * kernel, channels, kernel, kernel, 0, 2, 3}, kernel % 2, 1e-6);
    }
    check(kAverage, {9, 9, channels, 3, 2, 0, 4, 4}, 2, 1e-6);
  }
}

TEST_CASE("average_pool adds in the order of rows, then columns") {
  sln_test::Random random(5);
  const int channels = 21;
  const std::vector<float> map = random.vector(size_t{4} * 4 * channels);
  const sln_naive::PoolShape s = {4, 4, channels, 4, 4, 0, 1, 1};
  const std::vector<float> out = run_op(kAverage, map, channels, s, 32, 1);
  for (int c = 0; c < channels; ++c) {
    float sum = map[static_cast<size_t>(c)];
    for (int i = 1; i < 16; ++i) sum += map[static_cast<size_t>(i * channels + c)];
    CHECK(out[static_cast<size_t>(c)] == sum * (1.0f / 16));
  }
}
