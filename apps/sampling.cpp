#include "apps/sampling.h"

#include <time.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <system_error>

namespace sln::apps {
namespace {

double clock_seconds(clockid_t clock) {
  timespec now = {};
  clock_gettime(clock, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

}  // namespace

double core_share(const Sample& sample, int threads) {
  return 1 - sample.wait_seconds / (threads * sample.wall_seconds);
}

std::vector<Sample> undisturbed(const std::vector<Sample>& samples, int threads, size_t least, bool* disturbed) {
  std::vector<Sample> sorted = samples;
  std::stable_sort(sorted.begin(), sorted.end(), [threads](const Sample& a, const Sample& b) {
    return core_share(a, threads) > core_share(b, threads);
  });
  size_t kept = 0;
  while (kept < sorted.size() && core_share(sorted[kept], threads) >= kLeastShare) ++kept;
  *disturbed = kept < least;
  sorted.resize(std::max(kept, std::min(least, sorted.size())));
  return sorted;
}

double quantile(std::vector<double> values, double q) {
  std::sort(values.begin(), values.end());
  const double rank = std::ceil(q * static_cast<double>(values.size()));
  return values[static_cast<size_t>(std::max(rank, 1.0)) - 1];
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return (values[(values.size() - 1) / 2] + values[values.size() / 2]) / 2;
}

double wall_clock() {
  return clock_seconds(CLOCK_MONOTONIC);
}
double waited_seconds() {
  double sum = 0;
  std::error_code error;
  for (std::filesystem::directory_iterator it("/proc/self/task", error), end; !error && it != end;
       it.increment(error)) {
    std::ifstream file(it->path() / "schedstat");
    double ran = 0, waited = 0;  // nanoseconds
    if (file >> ran >> waited) sum += 1e-9 * waited;
  }
  return sum;
}

long long peak_resident_bytes() {
  // Not getrusage: its maximum outlives exec, so a large parent would be counted.
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    constexpr char kField[] = "VmHWM:";
    if (line.compare(0, sizeof kField - 1, kField) == 0)
      return 1024 * std::strtoll(line.c_str() + sizeof kField - 1, nullptr, 10);
  }
  return 0;
}

}  // namespace sln::apps
