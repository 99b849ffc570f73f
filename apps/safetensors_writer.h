// Plain .safetensors files of float32 tensors.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "apps/files.h"

namespace sln::apps {

struct DumpTensor {
  std::string name;
  std::vector<int64_t> dims;    // outermost first
  const float* data = nullptr;  // dense, row-major
};

// Appends the whole file: u64 little-endian header length, JSON header padded with spaces so that the data begins at a
// multiple of 64, tensors without gaps.
void write_safetensors(PendingFile* file, const std::map<std::string, std::string>& metadata,
                       const std::vector<DumpTensor>& tensors);

}  // namespace sln::apps
