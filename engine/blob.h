// The weight blob: a valid .safetensors file with canonical OIHW weights (docs/format.md).
//
// Layout: u64 little-endian header length, JSON header padded with spaces so that the data begins at a multiple of 64,
// then the tensors without gaps in the order of blob_tensors(), each float32 or, where that loses nothing, float16.
// `__metadata__` holds, as strings:
//   format_version   "1"
//   config           the config's JSON, byte for byte as in the ONNX file
//   config_sha256    of that string
//   weights          "seeded:N", "trained" or "unknown"
//   source_sha256    SHA-256 of the ONNX file (with its external data file appended where there is one)
//   fingerprint      the exporter's fingerprint JSON, or absent
//   crc32c.<tensor>  eight lower-case hex digits of each tensor's bytes
//   header_crc32c    over the eight length bytes and the header with these eight digits taken as "00000000"
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "engine/config.h"
#include "engine/tensor.h"

namespace sln {

using Metadata = std::map<std::string, std::string>;

// An open blob. Every byte of header and data is validated at opening against its own config's layer table (names,
// shapes, order, no gap, no overlap, CRCs, finite values); what is kept is the table and the file's descriptor, no
// weight and no mapping. Opening holds 128 KB beside the header. Immutable: for any thread.
//
// The file stays that of the opening where another is renamed over it. Where its own bytes change, read() says so.
class Blob {
 public:
  // Throws Error(kIo | kFormat) that names the file, what was expected and what was found.
  static std::shared_ptr<const Blob> open(const std::string& path);
  ~Blob();

  const Config& config() const;
  const Metadata& metadata() const;
  int64_t file_bytes() const;

  // Elements of a tensor of the layer table; throws Error(kInternal) for other names.
  int64_t elements(const std::string& name) const;

  // Reads a tensor from the file into `to`, which holds elements(name) floats; float16 is widened. The bytes that are
  // handed out are the bytes that were checked (CRC, finite values). Throws Error(kIo | kFormat), naming file, tensor,
  // expected and found, where the file was changed or truncated since it was opened; `to` then holds anything.
  void read(const std::string& name, float* to) const;

 private:
  Blob();
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// Writes a blob to path: to a temporary file in the same folder first, which is synchronised and renamed, or removed on
// failure. `metadata` needs config, weights, source_sha256 and may hold fingerprint; version, hashes and CRCs are added
// here. `tensors` must be exactly blob_tensors(config). A tensor whose values are all exactly halves is stored as
// float16 (an even number of them, so that everything stays aligned to 4 bytes): reading gives back the same floats.
void write_blob(const std::string& path, const Metadata& metadata, const std::vector<Tensor>& tensors);

// CRC-32C (Castagnoli) of bytes, continued from crc (0 to begin).
uint32_t crc32c(const void* data, size_t bytes, uint32_t crc = 0);
// The same without the processor's instruction: what crc32c() does where there is none.
uint32_t crc32c_by_tables(const void* data, size_t bytes, uint32_t crc = 0);

}  // namespace sln
