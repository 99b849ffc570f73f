// Netpbm images P1 to P6, in text and in binary form.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace sln::apps {

struct PnmHeader {
  int kind = 0;             // 1..6, the digit behind the P
  long long width = 0;      // pixels
  long long height = 0;     // pixels
  long long max_value = 1;  // of a sample, [1, 65535]
  size_t data = 0;          // offset of the first sample, bytes
};

bool is_pnm(const std::string& bytes);
PnmHeader read_pnm_header(const std::string& bytes, const std::string& path);
// RGB, 8 bits. Samples of a maximum of 255 are taken as they are, of 65535 shifted right by 8, others scaled to 255 and
// rounded. Throws Failure where samples are missing or exceed the maximum.
std::vector<uint8_t> decode_pnm(const std::string& bytes, const PnmHeader& header, const std::string& path);

}  // namespace sln::apps
