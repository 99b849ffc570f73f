// Work on items of very different sizes, ordered by size more often than not: thread t takes items t, t + T, ... The
// partition is still static.
#pragma once

#include <exception>
#include <vector>

#include "kernels/cpu/parallel.h"

namespace sln {

// Calls body(item, thread) once for every item of [0, n). Unlike the pool's body, this one may throw (scratch grows in
// it): the first thread's exception is passed on when all are done. errors is scratch.
template <typename Body>
void for_each_interleaved(cpu::ThreadPool& pool, int64_t n, std::vector<std::exception_ptr>& errors, const Body& body) {
  const int64_t step = pool.threads();
  errors.assign(static_cast<size_t>(step), nullptr);
  pool.parallel_for(step, [&](int64_t begin, int64_t end, int) {
    for (int64_t t = begin; t < end; ++t) {
      try {
        for (int64_t item = t; item < n; item += step) body(item, static_cast<size_t>(t));
      } catch (...) {
        errors[static_cast<size_t>(t)] = std::current_exception();
      }
    }
  });
  for (const std::exception_ptr& error : errors) {
    if (error) std::rethrow_exception(error);
  }
}

}  // namespace sln
