#include "kernels/cpu/parallel.h"

#include <atomic>
#include <catch2/catch.hpp>
#include <chrono>
#include <cstdint>
#include <stdexcept>
#include <thread>
#include <vector>

namespace sln::cpu {
namespace {

struct Part {
  int64_t begin = -1;
  int64_t end = -1;
  std::thread::id id;
};

// The part that each thread got; -1 where it got none.
std::vector<Part> parts_of(ThreadPool& pool, int64_t n) {
  std::vector<Part> parts(static_cast<size_t>(pool.threads()));
  std::atomic<int> twice{0};
  pool.parallel_for(n, [&](int64_t begin, int64_t end, int thread) {
    Part& part = parts.at(static_cast<size_t>(thread));
    if (part.begin != -1) ++twice;
    part = {begin, end, std::this_thread::get_id()};
  });
  CHECK(twice == 0);
  return parts;
}

}  // namespace

TEST_CASE("parallel_for covers the range once, in contiguous parts of equal size") {
  for (int threads = 1; threads <= 5; ++threads) {
    ThreadPool pool(threads);
    REQUIRE(pool.threads() == threads);
    for (const int64_t n : {int64_t{1}, int64_t{2}, int64_t{3}, int64_t{4}, int64_t{5}, int64_t{17}, int64_t{1000},
                            int64_t{1} << 62, INT64_MAX}) {
      CAPTURE(threads, n);
      const std::vector<Part> parts = parts_of(pool, n);
      int64_t next = 0;
      for (size_t t = 0; t < parts.size(); ++t) {
        if (static_cast<int64_t>(t) >= n) {
          CHECK(parts[t].begin == -1);
          continue;
        }
        CHECK(parts[t].begin == next);
        const int64_t size = parts[t].end - parts[t].begin;
        CHECK(size >= n / threads);
        CHECK(size - n / threads <= 1);
        next = parts[t].end;
      }
      CHECK(next == n);
      CHECK(parts[0].id == std::this_thread::get_id());
    }
  }
}

TEST_CASE("parallel_for runs parts on threads of their own") {
  ThreadPool pool(3);
  const std::vector<Part> parts = parts_of(pool, 3);
  CHECK(parts[0].id != parts[1].id);
  CHECK(parts[0].id != parts[2].id);
  CHECK(parts[1].id != parts[2].id);
}

TEST_CASE("parallel_for on nothing calls nothing") {
  ThreadPool pool(3);
  for (const int64_t n : {int64_t{0}, int64_t{-1}, INT64_MIN}) {
    pool.parallel_for(n, [](int64_t, int64_t, int) { FAIL("called"); });
  }
}

TEST_CASE("what the threads wrote is seen by the caller, run after run") {
  ThreadPool pool(4);
  std::vector<int64_t> values(64, 0);  // plain memory: ThreadSanitizer sees a race if the pool does not order it
  constexpr int kRuns = 3000;
  for (int run = 0; run < kRuns; ++run) {
    pool.parallel_for(64, [&](int64_t begin, int64_t end, int) {
      for (int64_t i = begin; i < end; ++i) values[static_cast<size_t>(i)] += i;
    });
  }
  for (size_t i = 0; i < values.size(); ++i) CHECK(values[i] == static_cast<int64_t>(i) * kRuns);
}

TEST_CASE("workers that went to sleep wake up, and a caller that waits long is woken") {
  ThreadPool pool(3);
  std::atomic<int> sum{0};
  for (int run = 0; run < 20; ++run) {
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
    pool.parallel_for(3, [&](int64_t begin, int64_t, int thread) {
      if (thread != 0) std::this_thread::sleep_for(std::chrono::milliseconds(2));
      sum += static_cast<int>(begin);
    });
    CHECK(sum == 3 * (run + 1));
  }
}

TEST_CASE("a pool may live and die without work, and several may live at once") {
  for (int i = 0; i < 50; ++i) {
    ThreadPool a(2);
    ThreadPool b(3);
    if (i % 2 == 0) continue;
    std::atomic<int> calls{0};
    a.parallel_for(2, [&](int64_t, int64_t, int) { ++calls; });
    b.parallel_for(3, [&](int64_t, int64_t, int) { ++calls; });
    CHECK(calls == 5);
  }
}

TEST_CASE("a pool without threads is an error") {
  CHECK_THROWS_AS(ThreadPool(0), std::invalid_argument);
  CHECK_THROWS_AS(ThreadPool(-3), std::invalid_argument);
}

}  // namespace sln::cpu
