#include "evaluation/bootstrap.h"

#include <algorithm>
#include <cmath>

#include "evaluation/parallel.h"

namespace sln::evaluation {
namespace {

uint64_t splitmix64(uint64_t state) {
  uint64_t z = (state + 1) * 0x9E3779B97F4A7C15u;
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
  return z ^ (z >> 31);
}

std::vector<int> draw(uint64_t resample, size_t images) {
  std::vector<int> weights(images, 0);
  for (size_t k = 0; k < images; ++k) {
    const uint64_t high = splitmix64(resample * images + k) >> 32;
    ++weights[static_cast<size_t>((high * images) >> 32)];
  }
  return weights;
}

Figures figures_of(const Evaluated& file, const std::vector<int>& weights) {
  return figures_of(*file.tallies, *file.ranking, weights, file.available);
}

// AP and AR without a positive are -1, which is no value to subtract.
std::optional<double> difference(const std::optional<double>& first, const std::optional<double>& second) {
  if (!first || !second || *first < 0 || *second < 0) return std::nullopt;
  return *second - *first;
}

double quantile(const std::vector<double>& sorted, double share) {
  const double at = share * static_cast<double>(sorted.size() - 1);
  const auto low = static_cast<size_t>(std::floor(at));
  const size_t high = std::min(low + 1, sorted.size() - 1);
  return sorted[low] + (at - static_cast<double>(low)) * (sorted[high] - sorted[low]);
}

}  // namespace

std::array<std::optional<Interval>, kFigures> paired_intervals(const Evaluated& first, const Evaluated& second,
                                                               int resamples, int threads) {
  const size_t images = first.tallies->size();
  std::vector<Figures> differences(static_cast<size_t>(resamples));
  for_each_parallel(differences.size(), threads, [&](size_t r) {
    const std::vector<int> weights = draw(r, images);
    const Figures one = figures_of(first, weights), other = figures_of(second, weights);
    for (size_t f = 0; f < kFigures; ++f) differences[r][f] = difference(one[f], other[f]);
  });
  const std::vector<int> ones(images, 1);
  const Figures one = figures_of(first, ones), other = figures_of(second, ones);
  std::array<std::optional<Interval>, kFigures> intervals;
  for (size_t f = 0; f < kFigures; ++f) {
    std::vector<double> sorted;
    for (const Figures& resample : differences) {
      if (resample[f]) sorted.push_back(*resample[f]);
    }
    std::sort(sorted.begin(), sorted.end());
    const std::optional<double> whole = difference(one[f], other[f]);
    if (whole && !sorted.empty()) intervals[f] = {*whole, quantile(sorted, 0.025), quantile(sorted, 0.975)};
  }
  return intervals;
}

}  // namespace sln::evaluation
