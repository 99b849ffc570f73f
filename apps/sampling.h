// Timed samples, those that the machine disturbed taken out.
#pragma once

#include <string>
#include <vector>

namespace sln::apps {

struct Sample {
  double wall_seconds = 0;
  double wait_seconds = 0;  // in which threads were ready to run, but others had the cores; summed over threads
  std::vector<double> stage_seconds;  // per stage
};

// The share of the time in which the process's threads were not kept waiting for a core: 1 - waited / (threads * wall).
// Threads that sleep because there is nothing for them to do do not count as waiting.
double core_share(const Sample& sample, int threads);

constexpr double kLeastShare = 0.97;

// The samples of a share of at least kLeastShare. Where these are fewer than `least`: the `least` samples of the
// highest shares (or all there are), and *disturbed is set.
std::vector<Sample> undisturbed(const std::vector<Sample>& samples, int threads, size_t least, bool* disturbed);

// Nearest-rank quantile, 0 < q <= 1; values must not be empty.
double quantile(std::vector<double> values, double q);
// The middle value, or the mean of the two middle ones.
double median(std::vector<double> values);

double wall_clock();  // seconds

// Time that the process's living threads have spent ready to run but not running, from the scheduler's statistics; 0
// where the kernel keeps none.
double waited_seconds();
long long peak_resident_bytes();

}  // namespace sln::apps
