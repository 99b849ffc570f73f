// What an ONNX file says about itself in its metadata.
#pragma once

#include <string>

#include "engine/config.h"
#include "importer/onnx_reader.h"

namespace sln::importer {

struct ModelInfo {
  Config config;
  std::string config_json;  // byte for byte as in the file
  std::string weights;      // "seeded:N", "trained" or "unknown"
  std::string exporter;     // "unknown" where the file does not say
  std::string fingerprint;  // JSON, "" where there is none
};

// Checks the config's hash and the form of the rest, and that every node and initializer of the graph is of use. Throws
// Error(kFormat).
ModelInfo read_model_info(const OnnxFile& file);

}  // namespace sln::importer
