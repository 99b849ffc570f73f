#include "engine/blob.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cmath>
#include <cstring>
#include <nlohmann/json.hpp>
#include <set>
#include <system_error>

#include "engine/blob_format.h"
#include "engine/half.h"
#include "engine/layer_table.h"
#include "engine/sha256.h"

namespace sln {
namespace {

using Json = nlohmann::json;

constexpr int kMaxDepth = 8;
constexpr uint64_t kMaxHeader = 64 << 20;  // bytes; a header of a real network has some 100 KB

// A whole file mapped read-only.
class Mapping {
 public:
  explicit Mapping(const std::string& path) {
    const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (fd < 0) fail_io(path, "be opened");
    struct stat status = {};
    const bool known = ::fstat(fd, &status) == 0;
    if (known && S_ISREG(status.st_mode) && status.st_size > 0) {
      bytes_ = static_cast<size_t>(status.st_size);
      data_ = ::mmap(nullptr, bytes_, PROT_READ, MAP_PRIVATE, fd, 0);
    }
    const int error = errno;
    ::close(fd);
    errno = error;
    if (!known || data_ == MAP_FAILED) fail_io(path, "be mapped");
    if (data_ == nullptr)
      fail(ErrorKind::kFormat, path, ": expected an sln weight blob (.safetensors), found ",
           S_ISREG(status.st_mode) ? "an empty file" : "something that is not a file");
  }
  ~Mapping() { ::munmap(data_, bytes_); }
  Mapping(const Mapping&) = delete;
  Mapping& operator=(const Mapping&) = delete;
  const unsigned char* data() const { return static_cast<const unsigned char*>(data_); }
  size_t bytes() const { return bytes_; }

 private:
  [[noreturn]] static void fail_io(const std::string& path, const char* action) {
    fail(ErrorKind::kIo, path, ": expected a readable file, found that it cannot ", action, ": ",
         std::generic_category().message(errno));
  }
  void* data_ = nullptr;
  size_t bytes_ = 0;
};

// Parses JSON; a key that stands twice in one object is an error (the library alone would keep the last).
Json parse_unique(const std::string& text, const std::string& path) {
  std::vector<std::set<std::string>> keys;
  std::string twice;
  bool deep = false;
  const auto watch = [&](int depth, Json::parse_event_t event, Json& value) {
    // A header's tensors nest three deep. Values are copied and printed by recursion, which deeper ones could exhaust.
    if (depth > kMaxDepth) deep = true;
    if (deep) return false;
    if (event == Json::parse_event_t::object_start) keys.emplace_back();
    if (event == Json::parse_event_t::object_end) keys.pop_back();
    if (event == Json::parse_event_t::key && !keys.back().insert(value.get<std::string>()).second)
      twice = value.get<std::string>();
    return true;
  };
  Json json = Json::parse(text, watch, false);
  if (deep) fail(ErrorKind::kFormat, path, ": expected a header of at most ", kMaxDepth, " levels, found a deeper one");
  if (!json.is_object()) fail(ErrorKind::kFormat, path, ": expected a JSON object as header, found something else");
  if (!twice.empty())
    fail(ErrorKind::kFormat, path, ": expected each name once in the header, found '", twice, "' twice");
  return json;
}

uint64_t read_length(const unsigned char* bytes) {
  uint64_t length = 0;
  for (int i = 7; i >= 0; --i) length = length << 8 | bytes[i];
  return length;
}

}  // namespace

struct Blob::Impl {
  std::string path;
  std::unique_ptr<Mapping> map;
  Config config;
  Metadata metadata;
  std::map<std::string, const float*> tensors;
  std::map<std::string, std::vector<float>> widened;  // those that the file holds in half precision
  size_t data_at = 0;                                 // offset of the first tensor in the file

  void open();
  void check_header_crc(const std::string& header) const;
  void read_metadata(const Json& header);
  void read_tensors(const Json& header);
  uint64_t read_tensor(const Json& header, const TensorSpec& spec, uint64_t offset);
  void check_crc(const TensorSpec& spec, const unsigned char* data, uint64_t bytes) const;
  void check_finite(const TensorSpec& spec, const float* values, uint64_t count) const;
  const std::string& need(const std::string& key) const;
};

void Blob::Impl::open() {
  map = std::make_unique<Mapping>(path);
  if (map->bytes() < 8) fail(ErrorKind::kFormat, path, ": expected at least 8 bytes, found ", map->bytes());
  const uint64_t length = read_length(map->data());
  if (length < 2 || length > kMaxHeader || length > map->bytes() - 8)
    fail(ErrorKind::kFormat, path, ": expected a header of 2 to ", std::min<uint64_t>(kMaxHeader, map->bytes() - 8),
         " bytes, found a length of ", length, ": not a .safetensors file, or truncated");
  data_at = 8 + static_cast<size_t>(length);
  const std::string header(reinterpret_cast<const char*>(map->data()), data_at);
  const Json json = parse_unique(header.substr(8), path);
  check_header_crc(header);
  read_metadata(json);
  read_tensors(json);
}

const std::string& Blob::Impl::need(const std::string& key) const {
  const auto found = metadata.find(key);
  if (found == metadata.end())
    fail(ErrorKind::kFormat, path, ": expected the metadata of an sln blob, found that '", key, "' is missing");
  return found->second;
}

void Blob::Impl::check_header_crc(const std::string& header) const {
  const size_t at = find_header_crc(header, path);
  std::string zeroed = header;
  zeroed.replace(at, 8, kHeaderCrcZero);
  const std::string found = header.substr(at, 8);
  char expected[9];
  std::snprintf(expected, sizeof expected, "%08x", crc32c(zeroed.data(), zeroed.size()));
  if (found != expected)
    fail(ErrorKind::kFormat, path, ": header_crc32c: expected ", expected, " (computed), found ", found,
         ": the header is damaged");
}

void Blob::Impl::read_metadata(const Json& header) {
  const auto found = header.find("__metadata__");
  if (found == header.end() || !found->is_object())
    fail(ErrorKind::kFormat, path, ": expected an object __metadata__ in the header, found none");
  for (const auto& item : found->items()) {
    if (!item.value().is_string())
      fail(ErrorKind::kFormat, path, ": metadata '", item.key(), "': expected a string, found ", item.value().dump());
    metadata[item.key()] = item.value().get<std::string>();
  }
  if (need("format_version") != kBlobVersion)
    fail(ErrorKind::kUnsupported, path, ": format_version: expected ", kBlobVersion, ", found ",
         need("format_version"));
  const std::string hash = sha256_hex(need("config"));
  if (need("config_sha256") != hash)
    fail(ErrorKind::kFormat, path, ": config_sha256: expected ", hash, " (computed), found ", need("config_sha256"));
  need("weights");
  need("source_sha256");
  config = parse_config(need("config"), path + ": config");
  if (data_at % 64 != 0) fail(ErrorKind::kFormat, path, ": expected data at a multiple of 64, found it at ", data_at);
}

void Blob::Impl::read_tensors(const Json& header) {
  uint64_t offset = 0;
  size_t count = 0;
  for (const TensorSpec& spec : blob_tensors(config)) {
    offset += read_tensor(header, spec, offset);
    ++count;
  }
  if (offset != map->bytes() - data_at)
    fail(ErrorKind::kFormat, path, ": expected ", offset, " bytes of tensors, found ", map->bytes() - data_at);
  if (header.size() == count + 1) return;
  for (const auto& item : header.items())
    if (item.key() != "__metadata__" && tensors.count(item.key()) == 0)
      fail(ErrorKind::kFormat, path, ": tensor ", item.key(), " is not part of this network");
}

// Returns the tensor's bytes in the file.
uint64_t Blob::Impl::read_tensor(const Json& header, const TensorSpec& spec, uint64_t offset) {
  const auto entry = header.find(spec.name);
  if (entry == header.end())
    fail(ErrorKind::kFormat, path, ": expected every tensor of the config, found that tensor ", spec.name,
         " is missing");
  const auto count = static_cast<uint64_t>(element_count(spec.dims));
  // Half precision needs an even count: what follows would lose its alignment.
  const bool half = count % 2 == 0 && entry->is_object() && entry->value("dtype", Json()) == Json("F16");
  const uint64_t bytes = count * (half ? 2 : 4);
  const Json expected = {
      {"dtype", half ? "F16" : "F32"}, {"shape", spec.dims}, {"data_offsets", {offset, offset + bytes}}};
  if (*entry != expected)
    fail(ErrorKind::kFormat, path, ": tensor ", spec.name, ": expected ", expected.dump(), ", found ", entry->dump());
  const uint64_t available = map->bytes() - data_at;
  if (offset > available || bytes > available - offset)
    fail(ErrorKind::kFormat, path, ": tensor ", spec.name, ": expected ", offset + bytes,
         " bytes of tensors up to its end, found ", available, ": the file is truncated");
  const unsigned char* data = map->data() + data_at + offset;
  check_crc(spec, data, bytes);
  const auto* values = reinterpret_cast<const float*>(data);
  if (half) {
    const auto* halves = reinterpret_cast<const uint16_t*>(data);
    std::vector<float>& wide = widened[spec.name];
    wide.reserve(count);
    for (uint64_t i = 0; i < count; ++i) wide.push_back(half_to_float(halves[i]));
    values = wide.data();
  }
  check_finite(spec, values, count);
  tensors[spec.name] = values;
  return bytes;
}

void Blob::Impl::check_crc(const TensorSpec& spec, const unsigned char* data, uint64_t bytes) const {
  char computed[9];
  std::snprintf(computed, sizeof computed, "%08x", crc32c(data, static_cast<size_t>(bytes)));
  const std::string& stored = need("crc32c." + spec.name);
  if (stored != computed)
    fail(ErrorKind::kFormat, path, ": tensor ", spec.name, ": CRC-32C: expected ", stored, ", found ", computed,
         ": the weights are damaged");
}

void Blob::Impl::check_finite(const TensorSpec& spec, const float* values, uint64_t count) const {
  for (uint64_t i = 0; i < count; ++i)
    if (!std::isfinite(values[i]))
      fail(ErrorKind::kFormat, path, ": tensor ", spec.name, ": expected finite weights, found ", values[i],
           " at element ", i);
}

Blob::Blob() : impl_(std::make_unique<Impl>()) {}
Blob::~Blob() = default;

std::shared_ptr<const Blob> Blob::open(const std::string& path) {
  std::shared_ptr<Blob> blob(new Blob());
  blob->impl_->path = path;
  blob->impl_->open();
  return blob;
}

const std::string& Blob::path() const {
  return impl_->path;
}
const Config& Blob::config() const {
  return impl_->config;
}
const Metadata& Blob::metadata() const {
  return impl_->metadata;
}
int64_t Blob::file_bytes() const {
  return static_cast<int64_t>(impl_->map->bytes());
}

const float* Blob::tensor(const std::string& name) const {
  const auto found = impl_->tensors.find(name);
  if (found == impl_->tensors.end()) fail(ErrorKind::kInternal, impl_->path, ": no tensor ", name);
  return found->second;
}

}  // namespace sln
