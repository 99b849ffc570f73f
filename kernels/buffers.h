// What an op says about its memory. each_buffer(op, visit), beside each op's struct, calls visit(pointer, rows) once
// per buffer of the device: a pointer to const is read, any other is written. The pointer comes by reference, so that a
// copy of the op can be sent to other memory; who only reads visits a copy, too. What the host owns (a photo) and
// packed weights are not among them. A buffer that holds the number of items is visited before those whose rows it
// counts, and two buffers may share memory (a residual may be dst). How much memory there is follows from
// rows.items.room; count() is for where the op runs.
//
// It serves whoever handles every op alike: tests that run an op on two devices, checks, byte counts of a benchmark.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/items.h"

namespace sln {

// items.count() * per_item rows of `length` elements, `step` elements apart. What lies between the rows may belong to
// another buffer (the global layers lie behind the features of each pixel) and is not touched.
struct Rows {
  Items items;
  int64_t per_item = 1;
  int64_t length = 1;
  int64_t step = 1;
};

// Channels of a pixel are padded to whole vectors of every device.
SLN_HD inline int ceil16(int channels) {
  return (channels + 15) / 16 * 16;
}

// Memory is cut at multiples of 64 bytes: a cache line, and the widest vector.
constexpr size_t kAlignment = 64;
constexpr size_t aligned(size_t bytes) {
  return (bytes + kAlignment - 1) / kAlignment * kAlignment;
}

// The number of items in use is itself a buffer that the op reads.
template <typename Visit>
void visit_used(Items& items, const Visit& visit) {
  if (items.used != nullptr) visit(items.used, Rows{{1}});
}

namespace cpu {

class ThreadPool;

// Bytes that run(op, scratch, pool) of the CPU needs beside the op's buffers, 64-byte aligned; the same for every
// image. An op that needs some declares its own.
template <typename Op>
size_t scratch_bytes(const Op& /*op*/, int /*threads*/) {
  return 0;
}

}  // namespace cpu
}  // namespace sln
