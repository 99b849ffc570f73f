// How much of a difference between two result files is the choice of images.
#pragma once

#include "evaluation/figures.h"

namespace sln::evaluation {

struct Interval {
  double difference = 0;                              // second minus first, on all images
  double low = 0, high = 0;                           // 2.5 % and 97.5 % quantiles of the resampled differences
  bool shown() const { return low > 0 || high < 0; }  // the interval does not contain 0
};

// One evaluated file.
struct Evaluated {
  const std::vector<ImageTally>* tallies = nullptr;
  const Ranking* ranking = nullptr;
  Available available;
};

constexpr int kResamples = 1000;

// Paired: each resample draws as many images as there are, with replacement, and both files are given the same ones; an
// image that is drawn twice counts twice. Draw k of resample r is image number ((z >> 32) * images) >> 32, where z is
// output number r * images + k of SplitMix64 seeded with 0. Quantiles are interpolated linearly; resamples in which a
// figure is not defined (nullopt, or -1) are left out of it. nullopt: not defined on all images, or in no resample.
std::array<std::optional<Interval>, kFigures> paired_intervals(const Evaluated& first, const Evaluated& second,
                                                               int resamples, int threads);

}  // namespace sln::evaluation
