#include "engine/blob.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
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
constexpr uint64_t kPiece = 32 << 10;      // elements of a tensor that are read and checked at once, in the cache

// An open regular file. Positions are explicit, so that many threads may read at once.
class File {
 public:
  explicit File(const std::string& path) : path_(path) {
    // Without O_NONBLOCK a named pipe would hold the caller until somebody writes to it; files do not care.
    fd_ = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd_ < 0) fail_io("be opened");
    try {
      const struct stat status = examine();
      if (!S_ISREG(status.st_mode) || status.st_size == 0)
        fail(ErrorKind::kFormat, path, ": expected an sln weight blob (.safetensors), found ",
             S_ISREG(status.st_mode) ? "an empty file" : "something that is not a file");
      bytes_ = static_cast<uint64_t>(status.st_size);
    } catch (...) {
      ::close(fd_);
      throw;
    }
  }
  ~File() { ::close(fd_); }
  File(const File&) = delete;
  File& operator=(const File&) = delete;

  uint64_t bytes() const { return bytes_; }  // when it was opened

  // Reads bytes [at, at + bytes) of the file. what: for the message where they are not there.
  void read(uint64_t at, uint64_t bytes, void* to, const std::string& what) const {
    auto* const first = static_cast<unsigned char*>(to);
    for (uint64_t done = 0; done < bytes;) {
      const ssize_t got = ::pread(fd_, first + done, static_cast<size_t>(bytes - done), static_cast<off_t>(at + done));
      if (got < 0 && errno == EINTR) continue;
      if (got < 0) fail_io("be read");
      if (got == 0)
        fail(ErrorKind::kFormat, path_, ": ", what, ": expected ", bytes, " bytes at ", at, ", found ", done,
             ": the file was truncated since it was opened");
      done += static_cast<uint64_t>(got);
    }
  }

  // Throws where the file has another size than when it was opened. what: as above.
  void check_size(const std::string& what) const {
    const auto bytes = static_cast<uint64_t>(examine().st_size);
    if (bytes != bytes_)
      fail(ErrorKind::kFormat, path_, ": ", what, ": expected a file of ", bytes_, " bytes, found ", bytes, ": it was ",
           bytes < bytes_ ? "truncated" : "changed", " since it was opened");
  }

 private:
  struct stat examine() const {
    struct stat status = {};
    if (::fstat(fd_, &status) != 0) fail_io("be examined");
    return status;
  }
  [[noreturn]] void fail_io(const char* action) const {
    fail(ErrorKind::kIo, path_, ": expected a readable file, found that it cannot ", action, ": ",
         std::generic_category().message(errno));
  }

  std::string path_;
  int fd_ = -1;
  uint64_t bytes_ = 0;
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

uint64_t read_length(const char* bytes) {
  uint64_t length = 0;
  for (int i = 7; i >= 0; --i) length = length << 8 | static_cast<unsigned char>(bytes[i]);
  return length;
}

// Without an early way out, so that the compiler makes vectors of it.
bool all_finite(const float* values, uint64_t count) {
  constexpr uint32_t kExponent = 0x7f800000;
  uint32_t wrong = 0;
  for (uint64_t i = 0; i < count; ++i) {
    uint32_t bits;
    std::memcpy(&bits, values + i, sizeof bits);
    wrong |= (bits & kExponent) == kExponent ? 1 : 0;
  }
  return wrong == 0;
}

// The first value that is not finite and which element it is, or "". first: the element that values begin with.
std::string not_finite(const float* values, uint64_t count, uint64_t first) {
  if (all_finite(values, count)) return "";
  const float* wrong = std::find_if_not(values, values + count, [](float value) { return std::isfinite(value); });
  return concat(*wrong, " at element ", first + static_cast<uint64_t>(wrong - values));
}

// Where a tensor stands in the file.
struct Place {
  uint64_t at = 0;     // of its first byte, from the file's beginning
  uint64_t count = 0;  // elements
  bool half = false;   // float16
  std::string crc;     // CRC-32C, as in the header

  uint64_t bytes() const { return count * (half ? 2 : 4); }
};

}  // namespace

struct Blob::Impl {
  std::string path;
  std::unique_ptr<File> file;
  Config config;
  Metadata metadata;
  std::map<std::string, Place> places;
  uint64_t data_at = 0;  // offset of the first tensor in the file

  void open();
  void read_header();
  void check_header_crc(const std::string& header) const;
  void read_metadata(const Json& header);
  void read_table(const Json& header);
  Place read_entry(const Json& header, const TensorSpec& spec, uint64_t offset) const;
  void read(const std::string& name, float* to, uint64_t step, const char* otherwise) const;
  const std::string& need(const std::string& key) const;
  const Place& find(const std::string& name) const;
};

void Blob::Impl::open() {
  file = std::make_unique<File>(path);
  read_header();
  std::vector<float> piece(kPiece);
  for (const TensorSpec& spec : blob_tensors(config)) read(spec.name, piece.data(), 0, "the weights are damaged");
}

void Blob::Impl::read_header() {
  if (file->bytes() < 8) fail(ErrorKind::kFormat, path, ": expected at least 8 bytes, found ", file->bytes());
  std::string header(8, '\0');
  file->read(0, 8, header.data(), "length of the header");
  const uint64_t length = read_length(header.data());
  if (length < 2 || length > kMaxHeader || length > file->bytes() - 8)
    fail(ErrorKind::kFormat, path, ": expected a header of 2 to ", std::min<uint64_t>(kMaxHeader, file->bytes() - 8),
         " bytes, found a length of ", length, ": not a .safetensors file, or truncated");
  data_at = 8 + length;
  header.resize(static_cast<size_t>(data_at));
  file->read(8, length, header.data() + 8, "header");
  const Json json = parse_unique(header.substr(8), path);
  check_header_crc(header);
  read_metadata(json);
  read_table(json);
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

void Blob::Impl::read_table(const Json& header) {
  uint64_t offset = 0;
  for (const TensorSpec& spec : blob_tensors(config)) {
    const Place place = read_entry(header, spec, offset);
    offset += place.bytes();
    places[spec.name] = place;
  }
  if (offset != file->bytes() - data_at)
    fail(ErrorKind::kFormat, path, ": expected ", offset, " bytes of tensors, found ", file->bytes() - data_at);
  if (header.size() == places.size() + 1) return;
  for (const auto& item : header.items())
    if (item.key() != "__metadata__" && places.count(item.key()) == 0)
      fail(ErrorKind::kFormat, path, ": tensor ", item.key(), " is not part of this network");
}

// offset: where the tensor must begin, from the first tensor's beginning.
Place Blob::Impl::read_entry(const Json& header, const TensorSpec& spec, uint64_t offset) const {
  const auto entry = header.find(spec.name);
  if (entry == header.end())
    fail(ErrorKind::kFormat, path, ": expected every tensor of the config, found that tensor ", spec.name,
         " is missing");
  Place place;
  place.at = data_at + offset;
  place.count = static_cast<uint64_t>(element_count(spec.dims));
  // Half precision needs an even count: what follows would lose its alignment.
  place.half = place.count % 2 == 0 && entry->is_object() && entry->value("dtype", Json()) == Json("F16");
  const uint64_t bytes = place.bytes();
  const Json expected = {
      {"dtype", place.half ? "F16" : "F32"}, {"shape", spec.dims}, {"data_offsets", {offset, offset + bytes}}};
  if (*entry != expected)
    fail(ErrorKind::kFormat, path, ": tensor ", spec.name, ": expected ", expected.dump(), ", found ", entry->dump());
  const uint64_t available = file->bytes() - data_at;
  if (offset > available || bytes > available - offset)
    fail(ErrorKind::kFormat, path, ": tensor ", spec.name, ": expected ", offset + bytes,
         " bytes of tensors up to its end, found ", available, ": the file is truncated");
  place.crc = need("crc32c." + spec.name);
  return place;
}

// Reads a tensor and checks it, a piece of kPiece elements at a time. step: elements from piece to piece in `to`:
// kPiece, or 0 to have each over the last one, where the tensor is only checked. A CRC that does not fit is told first:
// the values of a damaged file say nothing. otherwise: what it means that it does not fit.
void Blob::Impl::read(const std::string& name, float* to, uint64_t step, const char* otherwise) const {
  const Place& place = find(name);
  const std::string what = "tensor " + name;
  std::vector<uint16_t> halves(place.half ? std::min(kPiece, place.count) : 0);
  uint32_t crc = 0;
  std::string wrong;
  file->check_size(what);
  for (uint64_t first = 0; first < place.count; first += kPiece, to += step) {
    const uint64_t count = std::min(kPiece, place.count - first);
    const uint64_t size = place.half ? sizeof(uint16_t) : sizeof(float);
    void* const stored = place.half ? static_cast<void*>(halves.data()) : to;
    file->read(place.at + first * size, count * size, stored, what);
    crc = crc32c(stored, count * size, crc);
    if (place.half) std::transform(halves.begin(), halves.begin() + static_cast<ptrdiff_t>(count), to, half_to_float);
    if (wrong.empty()) wrong = not_finite(to, count, first);
  }
  char computed[9];
  std::snprintf(computed, sizeof computed, "%08x", crc);
  if (place.crc != computed)
    fail(ErrorKind::kFormat, path, ": ", what, ": CRC-32C: expected ", place.crc, ", found ", computed, ": ",
         otherwise);
  if (!wrong.empty()) fail(ErrorKind::kFormat, path, ": ", what, ": expected finite weights, found ", wrong);
}

const Place& Blob::Impl::find(const std::string& name) const {
  const auto found = places.find(name);
  if (found == places.end()) fail(ErrorKind::kInternal, path, ": no tensor ", name);
  return found->second;
}

Blob::Blob() : impl_(std::make_unique<Impl>()) {}
Blob::~Blob() = default;

std::shared_ptr<const Blob> Blob::open(const std::string& path) {
  std::shared_ptr<Blob> blob(new Blob());
  blob->impl_->path = path;
  blob->impl_->open();
  return blob;
}

const Config& Blob::config() const {
  return impl_->config;
}
const Metadata& Blob::metadata() const {
  return impl_->metadata;
}
int64_t Blob::file_bytes() const {
  return static_cast<int64_t>(impl_->file->bytes());
}

int64_t Blob::elements(const std::string& name) const {
  return static_cast<int64_t>(impl_->find(name).count);
}

void Blob::read(const std::string& name, float* to) const {
  impl_->read(name, to, kPiece, "the file was changed since it was opened");
}

}  // namespace sln
