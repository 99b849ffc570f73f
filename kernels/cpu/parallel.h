// The engine's own fork-join pool. Work is split statically, so that what a thread computes depends only on the
// number of items and threads, and no result depends on it at all.
#pragma once

#include <cstdint>
#include <memory>

namespace sln::cpu {

class ThreadPool {
 public:
  // threads >= 1, the caller's thread included. Workers sleep between runs (after a short spin).
  explicit ThreadPool(int threads);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  int threads() const;

  // Calls body(begin, end, thread) on contiguous parts of [0, n) that cover it once each, one part per thread (fewer if
  // n is small), and returns when all are done. body must not throw and must not call the pool. Allocates nothing.
  template <typename Body>
  void parallel_for(int64_t n, const Body& body) {
    run(
        n,
        [](const void* b, int64_t begin, int64_t end, int thread) {
          (*static_cast<const Body*>(b))(begin, end, thread);
        },
        &body);
  }

 private:
  using Call = void (*)(const void* body, int64_t begin, int64_t end, int thread);
  void run(int64_t n, Call call, const void* body);
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace sln::cpu
