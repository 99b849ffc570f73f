// The memory of a case, and how it is filled.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <memory>
#include <new>
#include <sstream>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "kernels/conv.h"
#include "tests/support/op_buffers.h"

namespace sln_test {

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kTiny = std::numeric_limits<float>::denorm_min();

constexpr int kAll = -1;  // items in use: all of the room, and no counter says so

// Buffers, each an allocation of its own.
class Memory {
 public:
  Memory() = default;
  Memory(const Memory&) = delete;
  Memory& operator=(const Memory&) = delete;
  ~Memory() {
    for (const Block& block : blocks_) ::operator delete (block.begin, std::align_val_t{sln::kAlignment});
  }

  // `count` elements, `shift` elements behind a multiple of 64 bytes, nothing behind them.
  template <typename T>
  T* take(size_t count, int shift = 0) {
    const size_t bytes = (count + static_cast<size_t>(shift)) * sizeof(T);
    auto* const begin = static_cast<std::byte*>(::operator new (bytes, std::align_val_t{sln::kAlignment}));
    blocks_.push_back({begin, bytes});
    return reinterpret_cast<T*>(begin) + shift;
  }

  bool owns(const void* pointer) const {
    const auto at = reinterpret_cast<uintptr_t>(pointer);
    return std::any_of(blocks_.begin(), blocks_.end(), [&](const Block& block) {
      const auto begin = reinterpret_cast<uintptr_t>(block.begin);
      return at >= begin && at < begin + std::max<size_t>(block.bytes, 1);
    });
  }

 private:
  struct Block {
    std::byte* begin;
    size_t bytes;
  };
  std::vector<Block> blocks_;
};

struct Values {
  float low = -1;
  float high = 1;
  int nasty_every = 0;  // one in so many, on the average, is nasty; 0: none
};

// Fills an op's buffers from its sizes.
class Maker {
 public:
  // shift: floats that buffers are behind a multiple of 64 bytes.
  Maker(uint32_t seed, const Values& values, int shift = 0) : random(seed), values_(values), shift_(shift) {}

  sln::Items items(int room, int used) {
    if (used == kAll) return {room};
    auto* const counter = memory->take<int32_t>(1);
    *counter = used;
    return {room, counter};
  }

  // Stands for a buffer that an op may do without, where it is to have it.
  template <typename T>
  static T* wanted() {
    alignas(64) static std::remove_const_t<T> place = {};
    return &place;
  }

  // Gives every buffer of each_buffer() memory that has none yet.
  template <typename Op>
  void buffers(Op& op) {
    each_buffer(op, [&](auto& pointer, const sln::Rows& rows) {
      if (memory->owns(pointer)) return;
      using T = std::remove_pointer_t<std::remove_reference_t<decltype(pointer)>>;
      auto* const data = poisoned<std::remove_const_t<T>>(rows);
      if constexpr (std::is_same_v<T, const float>) fill(data, rows);
      pointer = data;
    });
  }

  // The rows of the items in use get values.
  void fill(float* data, const sln::Rows& rows) {
    for (int64_t row = 0; row < rows.items.count() * rows.per_item; ++row)
      for (int64_t i = 0; i < rows.length; ++i) data[row * rows.step + i] = value();
  }

  template <typename T>
  T* poisoned(const sln::Rows& rows) {
    const int64_t count = rows.items.room * rows.per_item;
    const auto size = static_cast<size_t>(count == 0 ? 0 : (count - 1) * rows.step + rows.length);
    T* const data = memory->take<T>(size, shift_);
    if constexpr (std::is_floating_point_v<T>) {
      std::fill_n(data, size, kNan);
    } else {
      std::memset(data, 0xA5, size * sizeof(T));
    }
    return data;
  }

  // Canonical weights.
  sln::PackedWeights weights(int64_t count, int bias) {
    sln::PackedWeights packed;
    packed.weights = values(count);
    if (bias != 0) packed.bias = values(bias);
    return packed;
  }
  float* values(int64_t count) {
    auto* const data = memory->take<float>(static_cast<size_t>(count));
    std::generate_n(data, count, [&] { return value(); });
    return data;
  }

  float value() {
    static constexpr float kNasty[] = {kNan, kInfinity, -kInfinity, 0.0f, -0.0f, 3e38f, -3e38f, 1e-38f, kTiny, -kTiny};
    if (values_.nasty_every != 0 && random.below(values_.nasty_every) == 0) return kNasty[random.below(10)];
    return random.uniform(values_.low, values_.high);
  }

  std::shared_ptr<Memory> memory = std::make_shared<Memory>();
  Random random;

 private:
  Values values_;
  int shift_;
};

// "1 2 3" of numbers and texts.
template <typename... Parts>
std::string words(const Parts&... parts) {
  std::ostringstream text;
  (void)std::initializer_list<int>{((text << (text.tellp() == 0 ? "" : " ") << parts), 0)...};
  return text.str();
}

}  // namespace sln_test
