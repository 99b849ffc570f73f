// Constants of the blob's format. They are part of every file: changing one needs a new version.
#pragma once

#include <string>

#include "engine/error.h"

namespace sln {

constexpr const char* kBlobVersion = "1";
constexpr const char* kHeaderCrcKey = "header_crc32c";
constexpr const char* kHeaderCrcZero = "00000000";

// Offset of the eight digits of header_crc32c in length and header. Throws Error(kFormat) unless there is exactly one.
inline size_t find_header_crc(const std::string& header, const std::string& path) {
  const std::string mark = "\"header_crc32c\":\"";
  const size_t at = header.find(mark);
  if (at == std::string::npos || header.size() - at < mark.size() + 9 || header.find(mark, at + 1) != std::string::npos)
    fail(ErrorKind::kFormat, path, ": expected one header_crc32c in the header, found ",
         at == std::string::npos ? "none: not an sln weight blob" : "another number of them");
  return at + mark.size();
}

}  // namespace sln
