// Bytes around memory that nobody may write, seen afterwards by their value where AddressSanitizer does not watch them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "tests/cuda_emulator/asan.h"

namespace emulator {

constexpr uint8_t kGuardByte = 0xc5;
constexpr uint8_t kFillByte = 0xff;  // of fresh memory: NaN as a float, -1 as an int

inline void set_guard(uint8_t* p, size_t bytes) {
  unpoison(p, bytes);
  std::memset(p, kGuardByte, bytes);
  poison(p, bytes);
}

// The first byte that was changed; bytes if none was.
inline size_t first_damage(const uint8_t* p, size_t bytes) {
  unpoison(p, bytes);
  // All are equal where each is as the next one: memcmp() looks at many at a time.
  const bool whole = bytes != 0 && p[0] == kGuardByte && std::memcmp(p, p + 1, bytes - 1) == 0;
  size_t i = whole ? bytes : 0;
  while (i < bytes && p[i] == kGuardByte) ++i;
  poison(p, bytes);
  return i;
}

}  // namespace emulator
