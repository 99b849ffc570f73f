// Timed samples, those that the machine disturbed taken out.
#pragma once

#include <string>
#include <vector>

namespace sln::apps {

struct Sample {
  double wall_seconds = 0;
  double cpu_seconds = 0;             // of all threads of the process
  std::vector<double> stage_seconds;  // per stage
};

// CPU time / (threads * wall): the share of its cores that the process had.
double cpu_share(const Sample& sample, int threads);

// The samples whose share is at least 0.97 of the best sample's: another process took cores from the others. (An
// absolute limit would also drop runs for their serial parts.)
std::vector<Sample> undisturbed(const std::vector<Sample>& samples, int threads);

// Nearest-rank quantile, 0 < q <= 1; values must not be empty.
double quantile(std::vector<double> values, double q);
// The middle value, or the mean of the two middle ones.
double median(std::vector<double> values);

double wall_clock();         // seconds
double process_cpu_clock();  // seconds, all threads
long long peak_resident_bytes();

}  // namespace sln::apps
