// Writing .safetensors files: blobs with their checks, and plain ones.
#include <nlohmann/json.hpp>

#include "engine/atomic_file.h"
#include "engine/blob.h"
#include "engine/blob_format.h"
#include "engine/error.h"
#include "engine/layer_table.h"

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

// Length and header together, the header padded so that the data begins at a multiple of 64.
std::string header_bytes(const Metadata& metadata, const std::vector<Tensor>& tensors) {
  Json header = Json::object();
  if (!metadata.empty()) {
    Json strings = Json::object();
    for (const auto& [key, value] : metadata) strings[key] = value;
    header["__metadata__"] = strings;
  }
  int64_t offset = 0;
  for (const Tensor& tensor : tensors) {
    const int64_t bytes = element_count(tensor.dims) * 4;
    if (bytes != static_cast<int64_t>(tensor.data.size()) * 4)
      fail(ErrorKind::kInternal, "tensor ", tensor.name, ": shape ", to_string(tensor.dims), " does not hold ",
           tensor.data.size(), " values");
    header[tensor.name] = {{"dtype", "F32"}, {"shape", tensor.dims}, {"data_offsets", {offset, offset + bytes}}};
    offset += bytes;
  }
  std::string text = header.dump();
  text.append((64 - (8 + text.size()) % 64) % 64, ' ');
  return length_bytes(text.size()) + text;
}

void write_file(const std::string& path, const std::string& header, const std::vector<Tensor>& tensors) {
  AtomicFile file(path);
  file.write(header.data(), header.size());
  for (const Tensor& tensor : tensors) file.write(tensor.data.data(), tensor.data.size() * 4);
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

void write_safetensors(const std::string& path, const Metadata& metadata, const std::vector<Tensor>& tensors) {
  write_file(path, header_bytes(metadata, tensors), tensors);
}

void write_blob(const std::string& path, const Metadata& metadata, const std::vector<Tensor>& tensors) {
  for (const char* key : {"config", "weights", "source_sha256"})
    if (metadata.count(key) == 0) fail(ErrorKind::kInternal, path, ": metadata needs '", key, "'");
  check_tensors(path, parse_config(metadata.at("config"), path + ": config"), tensors);
  Metadata full = metadata;
  full["format_version"] = kBlobVersion;
  full["config_sha256"] = sha256_hex(metadata.at("config"));
  full[kHeaderCrcKey] = kHeaderCrcZero;
  for (const Tensor& tensor : tensors)
    full["crc32c." + tensor.name] = hex8(crc32c(tensor.data.data(), tensor.data.size() * 4));
  std::string header = header_bytes(full, tensors);
  const size_t at = find_header_crc(header, path);
  header.replace(at, 8, hex8(crc32c(header.data(), header.size())));
  write_file(path, header, tensors);
}

}  // namespace sln
