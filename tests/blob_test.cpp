#include "engine/blob.h"

#include <unistd.h>

#include <catch2/catch.hpp>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <limits>

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
  const std::string json = small_config_json(64);
  const sln::Config config = sln::parse_config(json, "small");
  auto weights = random_weights(config, 5);
  int64_t bytes = 0;
  for (sln::Tensor& tensor : weights) {
    const bool rounded = tensor.dims.size() == 4;  // biases stay what they are
    if (rounded)
      for (float& value : tensor.data) value = std::round(value * 1024) / 1024;
    bytes += static_cast<int64_t>(tensor.data.size()) * (rounded && tensor.data.size() % 2 == 0 ? 2 : 4);
  }
  const std::string path = temporary_folder() + "/halves.safetensors";
  sln::write_blob(path, {{"config", json}, {"weights", "trained"}, {"source_sha256", std::string(64, '0')}}, weights);
  const auto blob = Blob::open(path);
  for (const sln::Tensor& tensor : weights)
    CHECK(std::memcmp(blob->tensor(tensor.name), tensor.data.data(), tensor.data.size() * 4) == 0);
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
  for (const sln::Tensor& tensor : weights)
    CHECK(std::memcmp(blob->tensor(tensor.name), tensor.data.data(), tensor.data.size() * 4) == 0);
  CHECK(blob->metadata().at("weights") == "seeded:1");
  CHECK(blob->file_bytes() == static_cast<int64_t>(std::filesystem::file_size(path)));
  CHECK_THROWS_AS(blob->tensor("no.such"), sln::Error);
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
