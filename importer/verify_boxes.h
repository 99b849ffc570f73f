// Which boxes of two runs are the same, and whether near-ties explain where the lists differ.
#pragma once

#include <string>
#include <vector>

#include "engine/config.h"
#include "engine/tensor.h"

namespace sln::importer {

struct BoxMatching {
  std::vector<std::pair<size_t, size_t>> pairs;  // row in the first run, row in the second; by the first's order
  int64_t swaps = 0;                             // pairs in another order
  int64_t unexplained_swaps = 0;                 // of these, with logits further apart than a near-tie
  int64_t differences = 0;                       // boxes that only one run has
  int64_t unexplained_differences = 0;
  std::string detail;  // of the first unexplained one
};

// Rows of both runs by anchor number. logits (A,g,g) and deltas (4A,g,g) are the first run's.
BoxMatching match_boxes(const Config& config, const Tensor& logits, const Tensor& deltas, const Tensor& anchors_first,
                        const Tensor& anchors_second);

}  // namespace sln::importer
