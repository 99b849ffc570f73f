// The exporter's fingerprint: what PyTorch itself computed on the probe canvas, in a few numbers per stage.
#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "engine/config.h"
#include "engine/tensor.h"

namespace sln::importer {

struct StageFingerprint {
  Dims shape;
  double mean = 0;
  double rms = 0;
  std::vector<std::pair<int64_t, double>> samples;  // flat index, value
};
using Fingerprint = std::map<std::string, StageFingerprint>;

// Parses and validates: the stages are those of the config's network. Error(kFormat) names `where`, key, expected and
// found.
Fingerprint parse_fingerprint(const std::string& json, const Config& config, const std::string& where);

}  // namespace sln::importer
