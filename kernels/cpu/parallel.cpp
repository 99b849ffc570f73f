#include "kernels/cpu/parallel.h"

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <mutex>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#if defined(__x86_64__) || defined(__i386__)
#include <immintrin.h>
#endif

namespace sln::cpu {
namespace {

// About 20 to 50 us: longer than the gap between two layers, shorter than anything an embedding application would
// notice.
constexpr int kSpins = 1500;

void pause() {
#if defined(__x86_64__) || defined(__i386__)
  _mm_pause();
#else
  std::this_thread::yield();
#endif
}

}  // namespace

// A run is announced by `generation`, and over when `busy` is back at 0. Both are waited for in the same way: a short
// spin, then a condition variable. `sleepers` lets the other side skip the mutex while nobody sleeps: the sleeper
// raises it and then looks at the awaited value, the other side writes the value and then looks at it, all sequentially
// consistent, so one of the two sees the other.
struct ThreadPool::State {
  struct Event {
    std::mutex mutex;
    std::condition_variable changed;
    std::atomic<int> sleepers{0};

    template <typename Ready>
    void wait(const Ready& ready) {
      for (int i = 0; i < kSpins; ++i) {
        if (ready()) return;
        pause();
      }
      std::unique_lock<std::mutex> lock(mutex);
      sleepers.fetch_add(1);
      changed.wait(lock, ready);
      sleepers.fetch_sub(1);
    }

    void notify() {
      if (sleepers.load() == 0) return;
      // A sleeper holds the mutex from raising `sleepers` until it waits; taking it once means that it does wait.
      { const std::lock_guard<std::mutex> lock(mutex); }
      changed.notify_all();
    }
  };

  explicit State(int thread_count) : threads(thread_count) {
    workers.reserve(static_cast<size_t>(threads - 1));
    try {
      for (int t = 1; t < threads; ++t) workers.emplace_back([this, t] { work(t); });
    } catch (...) {
      stop();
      throw;
    }
  }

  ~State() { stop(); }

  void stop() {
    call = nullptr;
    generation.fetch_add(1);
    start.notify();
    for (std::thread& worker : workers) worker.join();
  }

  void work(int thread) {
    for (uint64_t seen = 0;;) {
      start.wait([&] { return generation.load() != seen; });
      ++seen;  // a run ends only after every worker has taken part in it, so none is ever missed
      if (call == nullptr) return;
      part(thread);
      if (busy.fetch_sub(1) == 1) done.notify();
    }
  }

  void part(int thread) const {
    const int64_t parts = std::min<int64_t>(threads, items);
    if (thread >= parts) return;
    // Quotient and remainder instead of items * thread / parts: no product that could overflow.
    const int64_t each = items / parts;
    const int64_t extra = items % parts;
    const int64_t begin = each * thread + std::min<int64_t>(thread, extra);
    call(body, begin, begin + each + (thread < extra ? 1 : 0), thread);
  }

  const int threads;
  // The job: written before `generation` is raised, read after it was seen.
  int64_t items = 0;
  Call call = nullptr;
  const void* body = nullptr;
  alignas(64) std::atomic<uint64_t> generation{0};
  alignas(64) std::atomic<int> busy{0};
  Event start;
  Event done;
  std::vector<std::thread> workers;
};

ThreadPool::ThreadPool(int threads) {
  if (threads < 1) throw std::invalid_argument("a thread pool needs at least 1 thread, not " + std::to_string(threads));
  state_ = std::make_unique<State>(threads);
}

ThreadPool::~ThreadPool() = default;

int ThreadPool::threads() const {
  return state_->threads;
}

void ThreadPool::run(int64_t n, Call call, const void* body) {
  State& state = *state_;
  if (n <= 0) return;
  if (n == 1 || state.threads == 1) {
    call(body, 0, n, 0);
    return;
  }
  state.items = n;
  state.call = call;
  state.body = body;
  state.busy.store(state.threads - 1);
  state.generation.fetch_add(1);
  state.start.notify();
  state.part(0);
  state.done.wait([&] { return state.busy.load() == 0; });
}

}  // namespace sln::cpu
