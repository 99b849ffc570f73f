#include "apps/safetensors_writer.h"

#include <nlohmann/json.hpp>
#include <string_view>

namespace sln::apps {
namespace {

int64_t bytes_of(const DumpTensor& tensor) {
  int64_t count = 1;
  for (int64_t dim : tensor.dims) count *= dim;
  return count * static_cast<int64_t>(sizeof(float));
}

}  // namespace

void write_safetensors(PendingFile* file, const std::map<std::string, std::string>& metadata,
                       const std::vector<DumpTensor>& tensors) {
  using Json = nlohmann::ordered_json;
  Json header;
  header["__metadata__"] = metadata;
  int64_t offset = 0;
  for (const DumpTensor& tensor : tensors) {
    const int64_t end = offset + bytes_of(tensor);
    header[tensor.name] = {{"dtype", "F32"}, {"shape", tensor.dims}, {"data_offsets", {offset, end}}};
    offset = end;
  }
  std::string json = header.dump(-1, ' ', false, Json::error_handler_t::replace);
  constexpr size_t kAlignment = 64, kLengthBytes = 8;
  json.append((kAlignment - (kLengthBytes + json.size()) % kAlignment) % kAlignment, ' ');
  std::string length;
  for (size_t i = 0; i < kLengthBytes; ++i) length += static_cast<char>(json.size() >> (8 * i) & 0xFF);
  file->append(length);
  file->append(json);
  for (const DumpTensor& tensor : tensors) {
    const size_t bytes = static_cast<size_t>(bytes_of(tensor));
    if (bytes > 0) file->append(std::string_view(reinterpret_cast<const char*>(tensor.data), bytes));
  }
}

}  // namespace sln::apps
