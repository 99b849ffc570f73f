#include "apps/sampling.h"

#include <time.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <fstream>

namespace sln::apps {
namespace {

constexpr double kLeastShare = 0.97;  // of the best sample's share

double clock_seconds(clockid_t clock) {
  timespec now = {};
  clock_gettime(clock, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

}  // namespace

double cpu_share(const Sample& sample, int threads) {
  return sample.cpu_seconds / (threads * sample.wall_seconds);
}

std::vector<Sample> undisturbed(const std::vector<Sample>& samples, int threads) {
  double best = 0;
  for (const Sample& sample : samples) best = std::max(best, cpu_share(sample, threads));
  std::vector<Sample> kept;
  for (const Sample& sample : samples) {
    if (cpu_share(sample, threads) >= kLeastShare * best) kept.push_back(sample);
  }
  return kept;
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
double process_cpu_clock() {
  return clock_seconds(CLOCK_PROCESS_CPUTIME_ID);
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
