// What every launcher refuses: std::invalid_argument "<op>: <what is wrong>".
#pragma once

#include <cstdint>
#include <stdexcept>
#include <string>

#include "kernels/buffers.h"

namespace sln::cuda {

// Kernels count the elements of a buffer in 32 bits, signed; and the threads of its last block, of up to 1024, have
// numbers behind them.
constexpr int64_t kMaxElements = 0x7fffffff - 1023;

inline void require(bool holds, const char* op, const char* what) {
  if (!holds) throw std::invalid_argument(std::string(op) + ": " + what);
}

// A pixel's channels, whose number is rounded up to whole vectors.
inline void check_channels(int channels, const char* name) {
  require(channels > 0 && channels <= kMaxElements, name, "channels must be in 1..2147482624");
}

// a * b, or kMaxElements + 1 where it is more than kMaxElements; neither is negative.
inline int64_t bounded_product(int64_t a, int64_t b) {
  const int64_t limit = kMaxElements + 1;
  const int64_t product = (a < limit ? a : limit) * (b < limit ? b : limit);
  return product < limit ? product : limit;
}

// No buffer of the op is null, or too large for 32-bit offsets. The sizes are to be checked before: none is negative.
template <class Op>
void check_buffers(Op op, const char* name) {
  each_buffer(op, [&](const auto* pointer, const Rows& rows) {
    require(pointer != nullptr, name, "a buffer is null");
    const int64_t elements = bounded_product(bounded_product(rows.items.room, rows.per_item), rows.step);
    require(elements <= kMaxElements, name, "a buffer has more than 2147482624 elements, the limit of 32-bit offsets");
  });
}

}  // namespace sln::cuda
