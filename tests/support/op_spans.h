// Runs an op on memory that holds what its each_buffer() (kernels/buffers.h) names and nothing else, wherever that
// memory is. It knows no op, so it serves every one.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <iterator>
#include <limits>
#include <map>
#include <new>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>
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

// An exact copy of memory, as aligned as that; sentinels around it, or, under ASan, nothing behind it.
class OnHeap {
 public:
  OnHeap(const void* host, size_t bytes)
      : first_(kGuard + reinterpret_cast<uintptr_t>(host) % sln::kAlignment), bytes_(bytes) {
    memory_ = static_cast<std::byte*>(::operator new (all(), std::align_val_t{sln::kAlignment}));
    std::fill_n(memory_, all(), kSentinel);
    std::memcpy(data(), host, bytes);
  }
  OnHeap(const OnHeap&) = delete;
  OnHeap& operator=(const OnHeap&) = delete;
  ~OnHeap() { ::operator delete (memory_, std::align_val_t{sln::kAlignment}); }

  std::byte* data() const { return memory_ + first_; }
  std::vector<std::byte> host() const {
    const auto is_sentinel = [](std::byte byte) { return byte == kSentinel; };
    if (!std::all_of(memory_, data(), is_sentinel) || !std::all_of(data() + bytes_, memory_ + all(), is_sentinel))
      throw std::runtime_error("memory outside of the visited rows was written");
    return std::vector<std::byte>(data(), data() + bytes_);
  }

 private:
#if defined(__SANITIZE_ADDRESS__)
  static constexpr size_t kGuard = 0;
#else
  static constexpr size_t kGuard = 256;
#endif
  static constexpr std::byte kSentinel{0xFF};  // a NaN, where floats are read
  size_t all() const {
    return first_ + bytes_ + kGuard;
  }

  std::byte* memory_ = nullptr;
  size_t first_;
  size_t bytes_;
};

// The rows that an op has written, those of each buffer together. Any NaN is as good as any other (a card's has
// other bits than a CPU's), so all are the same one.
struct WrittenBuffer {
  size_t element_bytes;
  bool floats;
  std::vector<std::byte> bytes;
};
using Written = std::vector<WrittenBuffer>;

inline bool operator==(const WrittenBuffer& a, const WrittenBuffer& b) {
  return a.bytes == b.bytes;
}

template <typename Op>
Written written(Op op) {
  Written buffers;
  each_buffer(op, [&](auto* pointer, const sln::Rows& rows) {
    using T = std::remove_pointer_t<decltype(pointer)>;
    if constexpr (!std::is_const_v<T>) {
      WrittenBuffer buffer = {sizeof(T), std::is_floating_point_v<T>, {}};
      each_row(rows, sizeof(T), [&](size_t offset, size_t size) {
        const auto* const row = reinterpret_cast<const std::byte*>(pointer) + offset;
        buffer.bytes.insert(buffer.bytes.end(), row, row + size);
      });
      if constexpr (std::is_floating_point_v<T>) {
        const T nan = std::numeric_limits<T>::quiet_NaN();
        for (size_t i = 0; i < buffer.bytes.size(); i += sizeof(T)) {
          T value;
          std::memcpy(&value, &buffer.bytes[i], sizeof(T));
          if (value != value) std::memcpy(&buffer.bytes[i], &nan, sizeof(T));
        }
      }
      buffers.push_back(std::move(buffer));
    }
  });
  return buffers;
}

// The elements of the only buffer, floats.
inline std::vector<float> floats(const Written& buffers) {
  std::vector<float> values(buffers.at(0).bytes.size() / sizeof(float));
  if (!values.empty()) std::memcpy(values.data(), buffers[0].bytes.data(), buffers[0].bytes.size());
  return values;
}

// What an op writes on memory of its own, as run_on_spans(); the host's stays as it is.
template <typename Op, typename Run>
Written written_on_copies(const Op& op, const Run& run) {
  const Spans spans = Spans::of(op);
  std::map<uintptr_t, OnHeap> copies;
  for (const auto& [begin, end] : spans.ends())
    copies.try_emplace(begin, reinterpret_cast<const void*>(begin), end - begin);
  const Op copy = moved_to(copies, spans, op);
  run(copy);
  return written(copy);
}

// The first difference between what two runs of an op have written, in words; empty where there is none. With a
// tolerance, floats may be that far apart, and integers (which a rounding may decide) are not compared.
inline std::string difference(const Written& found, const Written& expected, float tolerance = 0) {
  for (size_t i = 0; i < found.size(); ++i) {
    const auto& [element, floats, a] = found[i];
    const std::vector<std::byte>& b = expected[i].bytes;
    if (tolerance > 0 && !floats) continue;
    const auto output = "output " + std::to_string(i);
    if (a.size() != b.size())
      return output + " has " + std::to_string(a.size() / element) + " elements, not " +
             std::to_string(b.size() / element);
    for (size_t at = 0; at < a.size(); at += element) {
      if (std::memcmp(&a[at], &b[at], element) == 0) continue;
      float value = 0, wanted = 0;
      int32_t number = 0, wanted_number = 0;
      std::memcpy(floats ? static_cast<void*>(&value) : &number, &a[at], element);
      std::memcpy(floats ? static_cast<void*>(&wanted) : &wanted_number, &b[at], element);
      if (floats && std::fabs(value - wanted) <= tolerance && tolerance > 0) continue;
      char text[96];
      if (floats) std::snprintf(text, sizeof text, ", element %zu: %.9g, not %.9g", at / element, value, wanted);
      if (!floats) std::snprintf(text, sizeof text, ", element %zu: %d, not %d", at / element, number, wanted_number);
      return output + text;
    }
  }
  return "";
}

}  // namespace sln_test
