#include "engine/blob.h"

#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <catch2/catch.hpp>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <limits>
#include <thread>

#include "engine/error.h"
#include "engine/layer_table.h"
#include "tests/support/models.h"

namespace {

using sln::Blob;
using namespace sln::test;

std::string error_of(const std::string& path) {
  try {
    Blob::open(path);
  } catch (const sln::Error& error) {
    return error.what();
  }
  return "no error";
}

std::string error_of_bytes(const std::string& bytes) {
  const std::string path = temporary_folder() + "/changed.safetensors";
  write_file(path, bytes);
  const std::string error = error_of(path);
  if (error != "no error") CHECK(error.find(path) == 0);  // names the file
  CHECK(error.find('\n') == std::string::npos);
  return error;
}

// Recomputes header_crc32c after a change of the header, so that the check behind it is reached.
std::string with_header_crc(std::string bytes) {
  uint64_t length = 0;
  std::memcpy(&length, bytes.data(), 8);
  const size_t at = bytes.find("\"header_crc32c\":\"") + 17;
  bytes.replace(at, 8, "00000000");
  char digits[9];
  std::snprintf(digits, sizeof digits, "%08x", sln::crc32c(bytes.data(), 8 + length));
  return bytes.replace(at, 8, digits);
}

// Replaces one text in the header by another, keeping lengths right by taking from the padding or adding to it.
std::string edit_header(std::string bytes, const std::string& from, const std::string& to) {
  uint64_t length = 0;
  std::memcpy(&length, bytes.data(), 8);
  std::string header = bytes.substr(8, length);
  const std::string data = bytes.substr(8 + length);
  const size_t at = header.find(from);
  REQUIRE(at != std::string::npos);
  header.replace(at, from.size(), to);
  while (!header.empty() && header.back() == ' ') header.pop_back();
  header.append((64 - (8 + header.size()) % 64) % 64, ' ');
  length = header.size();
  std::string out(8, '\0');
  std::memcpy(out.data(), &length, 8);
  return with_header_crc(out + header + data);
}

// A network whose weights are halves and whose biases are not. Returns its tensors; the first is float16.
std::vector<sln::Tensor> write_half_model(const std::string& path) {
  const std::string json = small_config_json(64);
  auto weights = random_weights(sln::parse_config(json, "small"), 5);
  for (sln::Tensor& tensor : weights)
    if (tensor.dims.size() == 4)
      for (float& value : tensor.data) value = std::round(value * 1024) / 1024;
  sln::write_blob(path, {{"config", json}, {"weights", "trained"}, {"source_sha256", std::string(64, '0')}}, weights);
  return weights;
}

// Every tensor is read as it was written, and nothing around it.
void check_weights(const Blob& blob, const std::vector<sln::Tensor>& weights) {
  constexpr float kSentinel = -12345;
  for (const sln::Tensor& tensor : weights) {
    INFO(tensor.name);
    const size_t count = tensor.data.size();
    REQUIRE(blob.elements(tensor.name) == static_cast<int64_t>(count));
    std::vector<float> read(count + 2, kSentinel);
    blob.read(tensor.name, read.data() + 1);
    CHECK(std::memcmp(read.data() + 1, tensor.data.data(), count * 4) == 0);
    CHECK((read.front() == kSentinel && read.back() == kSentinel));
  }
}

// What reading a tensor says, which must fail in the given way.
std::string read_error(const Blob& blob, const std::string& tensor, sln::ErrorKind kind = sln::ErrorKind::kFormat) {
  try {
    std::vector<float> values(100000);
    blob.read(tensor, values.data());
  } catch (const sln::Error& error) {
    CHECK(error.kind() == kind);
    return error.what();
  }
  return "no error";
}

// Flips a bit of one byte of a file, in place.
void flip(const std::string& path, size_t at) {
  std::fstream file(path, std::ios::binary | std::ios::in | std::ios::out);
  file.seekg(static_cast<std::streamoff>(at));
  const int byte = file.get();
  file.seekp(static_cast<std::streamoff>(at));
  file.put(static_cast<char>(byte ^ 4));
  REQUIRE(file.flush());
}

size_t data_begin(const std::string& path) {
  uint64_t length = 0;
  std::memcpy(&length, read_file(path).data(), 8);
  return 8 + length;
}

size_t open_descriptors() {
  const std::filesystem::directory_iterator entries("/proc/self/fd");
  return static_cast<size_t>(std::distance(begin(entries), end(entries)));
}

}  // namespace

TEST_CASE("CRC-32C of the standard's check string") {
  for (const auto crc : {sln::crc32c, sln::crc32c_by_tables}) {
    CHECK(crc("123456789", 9, 0) == 0xe3069283u);
    CHECK(crc("56789", 5, crc("1234", 4, 0)) == 0xe3069283u);
  }
}

TEST_CASE("CRC-32C is the same with and without the processor's instruction") {
  std::string bytes;
  for (int i = 0; i < 100; ++i) bytes += static_cast<char>(i * 37 % 251);
  for (size_t from = 0; from < 9; ++from)
    for (size_t length = 0; from + length <= bytes.size(); ++length) {
      const auto before = static_cast<uint32_t>(length * 0x9e3779b9u);
      CHECK(sln::crc32c(&bytes[from], length, before) == sln::crc32c_by_tables(&bytes[from], length, before));
    }
}

TEST_CASE("Weights that are halves take half the room and come back the same") {
  const std::string path = temporary_folder() + "/halves.safetensors";
  const auto weights = write_half_model(path);
  int64_t bytes = 0;
  for (const sln::Tensor& tensor : weights)
    bytes +=
        static_cast<int64_t>(tensor.data.size()) * (tensor.dims.size() == 4 && tensor.data.size() % 2 == 0 ? 2 : 4);
  check_weights(*Blob::open(path), weights);
  const std::string content = read_file(path);
  uint64_t length = 0;
  std::memcpy(&length, content.data(), 8);
  CHECK(static_cast<int64_t>(content.size() - 8 - length) == bytes);

  // A half that is no number is found also where its CRC fits.
  const sln::Tensor& first = weights.front();
  std::string spoilt = content;
  spoilt[8 + length] = '\0';
  spoilt[8 + length + 1] = '\x7c';
  CHECK(error_of_bytes(spoilt).find("CRC-32C") != std::string::npos);
  const auto hex = [&](const std::string& file) {
    char digits[9];
    std::snprintf(digits, sizeof digits, "%08x", sln::crc32c(file.data() + 8 + length, first.data.size() * 2));
    return "\"crc32c." + first.name + "\":\"" + digits + "\"";
  };
  CHECK(error_of_bytes(edit_header(spoilt, hex(content), hex(spoilt))).find("expected finite weights, found inf") !=
        std::string::npos);
  const std::string wrong = edit_header(content, "\"dtype\":\"F16\"", "\"dtype\":\"F32\"");
  CHECK(error_of_bytes(wrong).find("\"dtype\":\"F32\"") != std::string::npos);
  CHECK(error_of_bytes(edit_header(content, "\"dtype\":\"F16\"", "\"dtype\":\"BF16\"")).find("BF16") !=
        std::string::npos);
}

TEST_CASE("A header that nests too deeply is refused, not descended into") {
  const std::string good = read_file(write_small_model("good.safetensors", 3));
  const std::string nested = std::string(400000, '[') + std::string(400000, ']');
  const std::string bytes = edit_header(good, "\"weights\":", "\"x\":" + nested + ",\"weights\":");
  CHECK(error_of_bytes(bytes).find("a deeper one") != std::string::npos);
}

TEST_CASE("A blob is read back as written") {
  const std::string path = write_small_model("good.safetensors", 3);
  const auto blob = Blob::open(path);
  const auto weights = random_weights(blob->config(), 3);
  check_weights(*blob, weights);
  CHECK(blob->metadata().at("weights") == "seeded:1");
  CHECK(blob->file_bytes() == static_cast<int64_t>(std::filesystem::file_size(path)));
  CHECK(read_error(*blob, "no.such", sln::ErrorKind::kInternal) == path + ": no tensor no.such");
  CHECK_THROWS_AS(blob->elements("no.such"), sln::Error);
  uint64_t length = 0;
  std::memcpy(&length, read_file(path).data(), 8);
  CHECK((8 + length) % 64 == 0);
}

TEST_CASE("Writing is deterministic") {
  CHECK(read_file(write_small_model("one.safetensors", 5)) == read_file(write_small_model("two.safetensors", 5)));
}

TEST_CASE("Every truncation is refused") {
  const std::string bytes = read_file(write_small_model("whole.safetensors", 3));
  for (const size_t size : {size_t{0}, size_t{1}, size_t{7}, size_t{8}, size_t{9}, size_t{100}, size_t{5000},
                            bytes.size() / 2, bytes.size() - 4, bytes.size() - 1})
    CHECK(error_of_bytes(bytes.substr(0, size)) != "no error");
  CHECK(error_of_bytes(bytes + "x").find("bytes of tensors") != std::string::npos);
}

TEST_CASE("Any flipped bit is refused") {
  const std::string bytes = read_file(write_small_model("flip.safetensors", 3));
  // Every byte of length and header, and places all over the data.
  uint64_t length = 0;
  std::memcpy(&length, bytes.data(), 8);
  for (size_t at = 0; at < bytes.size(); at += at < 8 + length ? 37 : 9973) {
    std::string changed = bytes;
    changed[at] = static_cast<char>(changed[at] ^ (1 << (at % 8)));
    INFO("byte " << at);
    CHECK(error_of_bytes(changed) != "no error");
  }
}

TEST_CASE("A header that lies is refused by name") {
  const std::string bytes = read_file(write_small_model("lie.safetensors", 3));
  CHECK(error_of_bytes(edit_header(bytes, "\"format_version\":\"1\"", "\"format_version\":\"2\""))
            .find("format_version: expected 1, found 2") != std::string::npos);
  CHECK(error_of_bytes(edit_header(bytes, "\"glm.conv1.bias\"", "\"glm.conv9.bias\""))
            .find("tensor glm.conv1.bias is missing") != std::string::npos);
  CHECK(
      error_of_bytes(edit_header(bytes, "\"glm.conv1.bias\":",
                                 "\"x\":{\"dtype\":\"F32\",\"shape\":[0],\"data_offsets\":[0,0]},\"glm.conv1.bias\":"))
          .find("tensor x is not part of this network") != std::string::npos);
  CHECK(error_of_bytes(
            edit_header(
                bytes, "\"glm.conv1.bias\":",
                "\"glm.conv1.bias\":{\"dtype\":\"F32\",\"shape\":[20],\"data_offsets\":[0,80]},\"glm.conv1.bias\":"))
            .find("found 'glm.conv1.bias' twice") != std::string::npos);
  CHECK(error_of_bytes(edit_header(bytes, "\"shape\":[20]", "\"shape\":[10]")).find("expected {") != std::string::npos);
  CHECK(error_of_bytes(edit_header(bytes, "\"weights\":\"seeded:1\"", "\"weights\":7"))
            .find("metadata 'weights': expected a string, found 7") != std::string::npos);
  CHECK(error_of_bytes(edit_header(bytes, "\\\"max_rois\\\":12", "\\\"max_rois\\\":13")).find("config_sha256") !=
        std::string::npos);
  CHECK(error_of_bytes("{\"a\":1}  and more text that is no blob").find("not a .safetensors file") !=
        std::string::npos);
}

TEST_CASE("Weights that are not finite are refused") {
  const std::string json = small_config_json();
  auto weights = random_weights(sln::parse_config(json, "small"), 1);
  weights[2].data[5] = std::numeric_limits<float>::quiet_NaN();
  const std::string path = temporary_folder() + "/nan.safetensors";
  sln::write_blob(path, {{"config", json}, {"weights", "trained"}, {"source_sha256", "0"}}, weights);
  CHECK(error_of(path).find(weights[2].name + ": expected finite weights, found nan at element 5") !=
        std::string::npos);
}

TEST_CASE("A file that is truncated or grows after opening is refused when it is read") {
  const std::string path = write_small_model("shrinks.safetensors", 3);
  const std::string bytes = read_file(path);
  const auto blob = Blob::open(path);
  const auto weights = random_weights(blob->config(), 3);
  for (const size_t size : {bytes.size() - 1, bytes.size() / 2, size_t{0}}) {
    std::filesystem::resize_file(path, size);
    for (const sln::Tensor& tensor : {weights.front(), weights.back()})
      CHECK(read_error(*blob, tensor.name) == sln::concat(path, ": tensor ", tensor.name, ": expected a file of ",
                                                          bytes.size(), " bytes, found ", size,
                                                          ": it was truncated since it was opened"));
  }
  write_file(path, bytes);
  check_weights(*blob, weights);
  write_file(path, bytes + "x");
  CHECK(read_error(*blob, weights[0].name).find("it was changed since it was opened") != std::string::npos);
}

TEST_CASE("A tensor that is overwritten after opening is refused, and only that one") {
  const std::string path = temporary_folder() + "/overwritten.safetensors";
  const auto weights = write_half_model(path);
  const auto blob = Blob::open(path);
  const auto error = [&](const sln::Tensor& tensor) { return read_error(*blob, tensor.name); };
  const auto refused = [&](const sln::Tensor& tensor) {
    const std::string start = path + ": tensor " + tensor.name + ": CRC-32C: expected ";
    const std::string text = error(tensor);
    INFO(text);
    return text.find(start) == 0 && text.find(": the file was changed since it was opened") != std::string::npos &&
           text.find(", found ") != std::string::npos;
  };
  const size_t begin = data_begin(path);
  const size_t first_bytes = weights[0].data.size() * 2;  // float16
  flip(path, begin + first_bytes - 1);
  CHECK(refused(weights[0]));
  CHECK(error(weights[1]) == "no error");
  flip(path, begin + first_bytes - 1);
  CHECK(error(weights[0]) == "no error");
  flip(path, begin + first_bytes);  // of a bias: float32
  CHECK(error(weights[0]) == "no error");
  CHECK(refused(weights[1]));
  flip(path, begin + first_bytes);
  flip(path, begin - 1);  // the header was read once and for all
  check_weights(*blob, weights);
}

TEST_CASE("A file that is overwritten by another model's after opening is refused") {
  const std::string path = write_small_model("victim.safetensors", 3);
  const auto blob = Blob::open(path);
  const std::string other = read_file(write_small_model("other.safetensors", 4));
  REQUIRE(static_cast<int64_t>(other.size()) == blob->file_bytes());
  write_file(path, other);
  for (const sln::Tensor& tensor : random_weights(blob->config(), 3)) {
    INFO(tensor.name);
    CHECK(read_error(*blob, tensor.name).find("the file was changed since it was opened") != std::string::npos);
  }
}

TEST_CASE("A file that is replaced by renaming, or removed, is still read as it was") {
  const std::string path = write_small_model("replaced.safetensors", 3);
  const auto blob = Blob::open(path);
  const auto weights = random_weights(blob->config(), 3);
  std::filesystem::rename(write_small_model("new.safetensors", 4), path);
  check_weights(*blob, weights);
  check_weights(*Blob::open(path), random_weights(blob->config(), 4));
  const auto second = Blob::open(path);
  std::filesystem::remove(path);
  check_weights(*second, random_weights(blob->config(), 4));
}

TEST_CASE("Threads read one blob at the same time") {
  const auto blob = Blob::open(write_small_model("threads.safetensors", 3));
  const auto weights = random_weights(blob->config(), 3);
  std::atomic<int> wrong{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < 3; ++i)
    threads.emplace_back([&] {
      for (const sln::Tensor& tensor : weights) wrong += read_weights(*blob, tensor.name) != tensor.data;
    });
  for (std::thread& thread : threads) thread.join();
  CHECK(wrong == 0);
}

TEST_CASE("An open blob holds one descriptor and no mapping") {
  const std::string path = write_small_model("held.safetensors", 3);
  const size_t before = open_descriptors();
  auto blob = Blob::open(path);
  CHECK(open_descriptors() == before + 1);
  CHECK(read_file("/proc/self/maps").find("held.safetensors") == std::string::npos);
  blob.reset();
  CHECK(open_descriptors() == before);
  flip(path, data_begin(path));
  CHECK(error_of(path).find("the weights are damaged") != std::string::npos);
  CHECK(error_of(temporary_folder()) != "no error");
  CHECK(open_descriptors() == before);
}

TEST_CASE("What is not a file with something in it is refused") {
  const std::string expected = ": expected an sln weight blob (.safetensors), found ";
  const std::string folder = temporary_folder();
  CHECK(error_of(folder) == folder + expected + "something that is not a file");
  CHECK(error_of("/dev/null") == "/dev/null" + expected + "something that is not a file");
  write_file(folder + "/empty", "");
  CHECK(error_of(folder + "/empty") == folder + "/empty" + expected + "an empty file");
  REQUIRE(::mkfifo((folder + "/pipe").c_str(), 0600) == 0);  // nobody writes to it: opening must not wait for that
  CHECK(error_of(folder + "/pipe") == folder + "/pipe" + expected + "something that is not a file");
  std::filesystem::remove(folder + "/pipe");
}

TEST_CASE("Files that cannot be opened or written") {
  CHECK(error_of(temporary_folder()).find("something that is not a file") != std::string::npos);
  CHECK(error_of(temporary_folder() + "/none").find("cannot be opened") != std::string::npos);
  write_file(temporary_folder() + "/plain", "x");
  const std::string json = small_config_json();
  const auto weights = random_weights(sln::parse_config(json, "small"), 1);
  const sln::Metadata metadata = {{"config", json}, {"weights", "trained"}, {"source_sha256", "0"}};
  CHECK_THROWS_WITH(
      sln::write_blob(temporary_folder() + "/plain/x.safetensors", metadata, weights),
      Catch::Contains("plain/x.safetensors: expected a file that can be written, found that it cannot be created"));
  // A folder of that name: writing succeeds, renaming fails, and nothing is left behind.
  std::filesystem::create_directories(temporary_folder() + "/taken/inside");
  CHECK_THROWS_AS(sln::write_blob(temporary_folder() + "/taken", metadata, weights), sln::Error);
  for (const auto& entry : std::filesystem::directory_iterator(temporary_folder()))
    CHECK(entry.path().string().find(".tmp-") == std::string::npos);
}

TEST_CASE("A wrong list of tensors is not written") {
  const std::string json = small_config_json();
  auto weights = random_weights(sln::parse_config(json, "small"), 1);
  weights.pop_back();
  const std::string path = temporary_folder() + "/short.safetensors";
  CHECK_THROWS_AS(sln::write_blob(path, {{"config", json}, {"weights", "trained"}, {"source_sha256", "0"}}, weights),
                  sln::Error);
  CHECK_FALSE(std::filesystem::exists(path));
}
