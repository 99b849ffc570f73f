// The rate of fused multiply-adds that this machine reaches in registers: what "% of peak" is measured against.
#include <time.h>

#include <algorithm>
#include <vector>

#include "kernels/cpu/parallel.h"
#include "kernels/isa.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/isa_peak.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "kernels/cpu/dispatch.h"

HWY_BEFORE_NAMESPACE();
namespace sln::cpu::HWY_NAMESPACE {
namespace {
namespace hn = hwy::HWY_NAMESPACE;

// Runs `rounds` times 12 independent multiply-adds (more than any machine has in flight) and returns their number of
// lanes over all; sink[2..13] start the 12 chains, apart from each other so that the compiler does not merge them, and
// the result in sink keeps it from dropping them.
int64_t fma_rounds(int64_t rounds, float* sink) {
  const hn::ScalableTag<float> d;
  const auto x = hn::Set(d, sink[0]);
  const auto y = hn::Set(d, sink[1]);
  auto a0 = hn::Set(d, sink[2]), a1 = hn::Set(d, sink[3]), a2 = hn::Set(d, sink[4]), a3 = hn::Set(d, sink[5]);
  auto a4 = hn::Set(d, sink[6]), a5 = hn::Set(d, sink[7]), a6 = hn::Set(d, sink[8]), a7 = hn::Set(d, sink[9]);
  auto a8 = hn::Set(d, sink[10]), a9 = hn::Set(d, sink[11]), a10 = hn::Set(d, sink[12]), a11 = hn::Set(d, sink[13]);
  for (int64_t i = 0; i < rounds; ++i) {
    a0 = hn::MulAdd(a0, x, y), a1 = hn::MulAdd(a1, x, y), a2 = hn::MulAdd(a2, x, y), a3 = hn::MulAdd(a3, x, y);
    a4 = hn::MulAdd(a4, x, y), a5 = hn::MulAdd(a5, x, y), a6 = hn::MulAdd(a6, x, y), a7 = hn::MulAdd(a7, x, y);
    a8 = hn::MulAdd(a8, x, y), a9 = hn::MulAdd(a9, x, y), a10 = hn::MulAdd(a10, x, y), a11 = hn::MulAdd(a11, x, y);
  }
  const auto s0 = hn::Add(hn::Add(a0, a1), hn::Add(a2, a3));
  const auto s1 = hn::Add(hn::Add(a4, a5), hn::Add(a6, a7));
  const auto s2 = hn::Add(hn::Add(a8, a9), hn::Add(a10, a11));
  hn::StoreU(hn::Add(hn::Add(s0, s1), s2), d, sink);
  return rounds * 12 * static_cast<int64_t>(hn::Lanes(d));
}

}  // namespace
}  // namespace sln::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace sln::cpu {
namespace {

// Processor time of this thread: what others take from it on a shared machine does not lower the peak.
double thread_seconds() {
  timespec now;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

}  // namespace

double measure_peak_flops(ThreadPool& pool) {
  constexpr int kRuns = 12;
  constexpr int64_t kRounds = 1200 * 1000;  // 4 ms at one vector per cycle and 3.6 GHz
  const auto rounds = SLN_SELECT(fma_rounds);
  // Each thread times its own runs; what they reach together is the sum, so none waits for another's start.
  std::vector<double> rate(static_cast<size_t>(pool.threads()), 0.0);
  pool.parallel_for(pool.threads(), [&](int64_t, int64_t, int thread) {
    double& best = rate[static_cast<size_t>(thread)];
    for (int run = 0; run < kRuns; ++run) {
      float sink[16] = {0.5f,
                        0.25f};  // the fixed point of a = a/2 + 1/4, so no value ever becomes subnormal or infinite
      const double start = thread_seconds();
      const int64_t fmas = rounds(kRounds, sink);
      const double seconds = thread_seconds() - start;
      best = std::max(best, 2.0 * static_cast<double>(fmas) / seconds);
    }
  });
  double sum = 0;
  for (const double r : rate) sum += r;
  return sum;
}

}  // namespace sln::cpu
#endif
