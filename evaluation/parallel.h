// Independent tasks on a few threads.
#pragma once

#include <algorithm>
#include <atomic>
#include <exception>
#include <system_error>
#include <thread>
#include <vector>

namespace sln::evaluation {

// Runs task(i) once for every i in [0, count), on so many threads (0: the machine's cores). Where tasks throw, the
// exception of the lowest i is thrown when all have ended.
template <typename Task>
void for_each_parallel(size_t count, int threads, const Task& task) {
  const size_t cores = threads > 0 ? static_cast<size_t>(threads) : std::thread::hardware_concurrency();
  const size_t workers = std::min(count, std::max<size_t>(1, cores));
  std::vector<std::exception_ptr> errors(count);
  std::atomic<size_t> next{0};
  const auto work = [&] {
    for (size_t i = next++; i < count; i = next++) {
      try {
        task(i);
      } catch (...) {
        errors[i] = std::current_exception();
      }
    }
  };
  std::vector<std::thread> pool;
  try {
    for (size_t i = 1; i < workers; ++i) pool.emplace_back(work);
  } catch (const std::system_error&) {
    // No more threads are to be had: those there are, and this one, do all of it.
  }
  work();
  for (std::thread& thread : pool) thread.join();
  for (const std::exception_ptr& error : errors) {
    if (error) std::rethrow_exception(error);
  }
}

}  // namespace sln::evaluation
