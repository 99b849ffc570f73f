// SHA-256 (FIPS 180-4), for identifying configs and files, not for security.
#pragma once

#include <string>

namespace sln {

// 64 lower-case hex digits.
std::string sha256_hex(const std::string& bytes);

}  // namespace sln
