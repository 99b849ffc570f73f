// Runs an op on memory that holds what its each_buffer() (kernels/buffers.h) names and nothing else, wherever that
// memory is. It knows no op, so it serves every one.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <iterator>
#include <map>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <vector>

#include "kernels/buffers.h"

namespace sln_test {

// The host's memory that an op's buffers cover, as spans that do not meet: buffers that share memory (a residual that
// is dst, a map inside of another's pixels) are in one span. A span ends with the last element of its last row, so that
// a copy of it does, too.
class Spans {
 public:
  template <typename Op>
  static Spans of(Op op) {
    Spans spans;
    each_buffer(op, [&](const auto* pointer, const sln::Rows& rows) { spans.add(pointer, rows); });
    return spans;
  }

  const std::map<uintptr_t, uintptr_t>& ends() const { return ends_; }  // end by begin
  // The begin of the span that the pointer lies in, or 0.
  uintptr_t begin_of(const void* pointer) const {
    const auto after = ends_.upper_bound(reinterpret_cast<uintptr_t>(pointer));
    if (after == ends_.begin()) return 0;
    const auto& [begin, end] = *std::prev(after);
    return reinterpret_cast<uintptr_t>(pointer) < end ? begin : 0;
  }

 private:
  // Takes the rows of a buffer in.
  template <typename T>
  void add(const T* pointer, const sln::Rows& rows) {
    const int64_t count = rows.items.room * rows.per_item;
    if (count <= 0 || rows.length <= 0) return;
    uintptr_t begin = reinterpret_cast<uintptr_t>(pointer);
    uintptr_t end = begin + static_cast<size_t>((count - 1) * rows.step + rows.length) * sizeof(T);
    for (auto at = ends_.begin(); at != ends_.end();) {
      if (at->first < end && begin < at->second) {
        begin = std::min(begin, at->first);
        end = std::max(end, at->second);
        at = ends_.erase(at);
      } else {
        ++at;
      }
    }
    ends_[begin] = end;
  }

  std::map<uintptr_t, uintptr_t> ends_;
};

// The op with its pointers where the spans are copied to: copies.at(begin of a span).data(). An empty buffer stays
// where it is: nobody reads it.
template <typename Op, typename Copies>
Op moved_to(Copies& copies, const Spans& spans, Op op) {
  // An op's own visitor hands out its pointers by reference.
  each_buffer(op, [&](auto& pointer, const sln::Rows&) {
    using Pointer = std::remove_reference_t<decltype(pointer)>;
    const uintptr_t begin = spans.begin_of(pointer);
    if (begin == 0) return;
    pointer = reinterpret_cast<Pointer>(copies.at(begin).data() + (reinterpret_cast<uintptr_t>(pointer) - begin));
  });
  return op;
}

// Calls body(offset, bytes) for each row of the items in use; an element has element_bytes.
template <typename Body>
void each_row(const sln::Rows& rows, size_t element_bytes, const Body& body) {
  const int count = rows.items.count();
  if (count < 0 || count > rows.items.room) {
    throw std::runtime_error("a counter says " + std::to_string(count) + ", there is room for " +
                             std::to_string(rows.items.room));
  }
  for (int64_t row = 0; row < count * rows.per_item; ++row)
    body(static_cast<size_t>(row * rows.step) * element_bytes, static_cast<size_t>(rows.length) * element_bytes);
}

// Brings spans back that an op has worked on. Throws std::runtime_error where a byte has changed that lies in no row
// that it writes. How many rows those are may be among what it wrote.
template <typename Op>
void bring_back(Op op, const Spans& spans, std::map<uintptr_t, std::vector<std::byte>>& now) {
  Op here = moved_to(now, spans, op);
  std::vector<uintptr_t> hosts;
  each_buffer(op, [&](auto* pointer, const sln::Rows&) { hosts.push_back(reinterpret_cast<uintptr_t>(pointer)); });
  auto host = hosts.begin();
  each_buffer(here, [&](auto* pointer, const sln::Rows& rows) {
    if constexpr (!std::is_const_v<std::remove_pointer_t<decltype(pointer)>>) {
      each_row(rows, sizeof *pointer, [&](size_t offset, size_t bytes) {
        std::memcpy(reinterpret_cast<std::byte*>(*host) + offset, reinterpret_cast<std::byte*>(pointer) + offset,
                    bytes);
      });
    }
    ++host;
  });
  for (const auto& [begin, bytes] : now) {
    const auto* const before = reinterpret_cast<const std::byte*>(begin);
    const auto changed = std::mismatch(bytes.begin(), bytes.end(), before).first;
    if (changed == bytes.end()) continue;
    throw std::runtime_error("byte " + std::to_string(changed - bytes.begin()) + " of " + std::to_string(bytes.size()) +
                             " was written: it is an input, between the rows of an output, or of an item not in use");
  }
}

// Runs `run`, which takes the op with pointers into copies of its spans and returns 0, or an error, which is returned.
// The host's memory is then as the copies. Throws what `run` throws, and as bring_back().
//
// Block(host, bytes) is a copy of bytes of the host, and exactly as large; data() is where it is, for the op alone;
// host() brings the bytes back.
template <typename Block, typename Op, typename Run>
int run_on_spans(const Op& op, const Run& run) {
  const Spans spans = Spans::of(op);
  std::map<uintptr_t, Block> blocks;
  for (const auto& [begin, end] : spans.ends())
    blocks.try_emplace(begin, reinterpret_cast<const void*>(begin), end - begin);
  const int error = run(moved_to(blocks, spans, op));
  if (error != 0) return error;
  std::map<uintptr_t, std::vector<std::byte>> now;
  for (const auto& [begin, block] : blocks) now[begin] = block.host();
  bring_back(op, spans, now);
  return 0;
}

}  // namespace sln_test
