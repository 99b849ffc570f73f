// Writing .safetensors files: blobs with their checks, and plain ones.
#include <nlohmann/json.hpp>

#include "engine/atomic_file.h"
#include "engine/blob.h"
#include "engine/blob_format.h"
#include "engine/error.h"
#include "engine/half.h"
#include "engine/layer_table.h"
#include "engine/sha256.h"

namespace sln {
namespace {

using Json = nlohmann::ordered_json;

std::string hex8(uint32_t value) {
  std::string text;
  for (int shift = 28; shift >= 0; shift -= 4) text += "0123456789abcdef"[(value >> shift) & 15];
  return text;
}

std::string length_bytes(size_t length) {
  std::string bytes;
  for (int i = 0; i < 8; ++i) bytes += static_cast<char>((static_cast<uint64_t>(length) >> (8 * i)) & 255);
  return bytes;
}

// A tensor as its bytes stand in the file.
struct Stored {
  const Tensor* tensor;
  std::vector<uint16_t> halves;  // empty: float32

  const char* dtype() const { return halves.empty() ? "F32" : "F16"; }
  const void* data() const { return halves.empty() ? static_cast<const void*>(tensor->data.data()) : halves.data(); }
  size_t bytes() const { return halves.empty() ? tensor->data.size() * 4 : halves.size() * 2; }
};

// In half precision where that loses nothing; an odd number of halves would put the next tensor off its alignment.
Stored smallest(const Tensor& tensor) {
  Stored stored{&tensor, {}};
  if (tensor.data.size() % 2 != 0) return stored;
  std::vector<uint16_t> halves(tensor.data.size());
  for (size_t i = 0; i < halves.size(); ++i)
    if (!float_to_half(tensor.data[i], &halves[i])) return stored;
  stored.halves = std::move(halves);
  return stored;
}

// Length and header together, the header padded so that the data begins at a multiple of 64.
std::string header_bytes(const Metadata& metadata, const std::vector<Stored>& tensors) {
  Json header = Json::object();
  if (!metadata.empty()) {
    Json strings = Json::object();
    for (const auto& [key, value] : metadata) strings[key] = value;
    header["__metadata__"] = strings;
  }
  size_t offset = 0;
  for (const Stored& stored : tensors) {
    const Tensor& tensor = *stored.tensor;
    if (element_count(tensor.dims) != static_cast<int64_t>(tensor.data.size()))
      fail(ErrorKind::kInternal, "tensor ", tensor.name, ": shape ", to_string(tensor.dims), " does not hold ",
           tensor.data.size(), " values");
    const size_t end = offset + stored.bytes();
    header[tensor.name] = {{"dtype", stored.dtype()}, {"shape", tensor.dims}, {"data_offsets", {offset, end}}};
    offset = end;
  }
  std::string text = header.dump();
  text.append((64 - (8 + text.size()) % 64) % 64, ' ');
  return length_bytes(text.size()) + text;
}

void write_file(const std::string& path, const std::string& header, const std::vector<Stored>& tensors) {
  AtomicFile file(path);
  file.write(header.data(), header.size());
  for (const Stored& stored : tensors) file.write(stored.data(), stored.bytes());
  file.commit();
}

void check_tensors(const std::string& path, const Config& config, const std::vector<Tensor>& tensors) {
  const std::vector<TensorSpec> specs = blob_tensors(config);
  if (specs.size() != tensors.size())
    fail(ErrorKind::kInternal, path, ": expected ", specs.size(), " tensors, found ", tensors.size());
  for (size_t i = 0; i < specs.size(); ++i)
    if (specs[i].name != tensors[i].name || specs[i].dims != tensors[i].dims)
      fail(ErrorKind::kInternal, path, ": expected tensor ", specs[i].name, to_string(specs[i].dims), ", found ",
           tensors[i].name, to_string(tensors[i].dims));
}

}  // namespace

void write_blob(const std::string& path, const Metadata& metadata, const std::vector<Tensor>& tensors) {
  for (const char* key : {"config", "weights", "source_sha256"})
    if (metadata.count(key) == 0) fail(ErrorKind::kInternal, path, ": metadata needs '", key, "'");
  check_tensors(path, parse_config(metadata.at("config"), path + ": config"), tensors);
  Metadata full = metadata;
  full["format_version"] = kBlobVersion;
  full["config_sha256"] = sha256_hex(metadata.at("config"));
  full[kHeaderCrcKey] = kHeaderCrcZero;
  std::vector<Stored> stored;
  for (const Tensor& tensor : tensors) {
    stored.push_back(smallest(tensor));
    full["crc32c." + tensor.name] = hex8(crc32c(stored.back().data(), stored.back().bytes()));
  }
  std::string header = header_bytes(full, stored);
  const size_t at = find_header_crc(header, path);
  header.replace(at, 8, hex8(crc32c(header.data(), header.size())));
  write_file(path, header, stored);
}

}  // namespace sln
