// Buffers and random numbers for the tests of single ops.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <random>
#include <vector>

namespace sln_test {

// An output of an op: poisoned, with sentinels on both sides. The data are 64-byte aligned.
template <typename T>
class Guarded {
 public:
  explicit Guarded(size_t size, T poison = default_poison())
      : size_(size), bytes_(2 * kGuard + kAlign + size * sizeof(T)) {
    for (size_t i = 0; i < bytes_.size(); ++i) bytes_[i] = sentinel(i);
    const uintptr_t first = reinterpret_cast<uintptr_t>(bytes_.data()) + kGuard;
    offset_ = kGuard + (kAlign - first % kAlign) % kAlign;
    for (size_t i = 0; i < size; ++i) data()[i] = poison;
  }
  Guarded(const Guarded&) = delete;
  Guarded& operator=(const Guarded&) = delete;

  T* data() { return reinterpret_cast<T*>(bytes_.data() + offset_); }
  size_t size() const { return size_; }
  T& operator[](size_t i) { return data()[i]; }
  std::vector<T> values() { return std::vector<T>(data(), data() + size_); }

  // True where nothing outside of the data was written.
  bool intact() const {
    for (size_t i = 0; i < bytes_.size(); ++i) {
      const bool inside = i >= offset_ && i < offset_ + size_ * sizeof(T);
      if (!inside && bytes_[i] != sentinel(i)) return false;
    }
    return true;
  }

 private:
  static constexpr size_t kGuard = 256;
  static constexpr size_t kAlign = 64;
  static T default_poison() {
    return std::numeric_limits<T>::has_quiet_NaN ? std::numeric_limits<T>::quiet_NaN() : static_cast<T>(0xA5);
  }
  static unsigned char sentinel(size_t i) { return static_cast<unsigned char>(0x5A + i * 7); }
  size_t size_;
  size_t offset_ = 0;
  std::vector<unsigned char> bytes_;
};

// True where both hold the same bits (NaN equals itself, -0 differs from +0).
template <typename T>
bool same_bytes(const std::vector<T>& a, const std::vector<T>& b) {
  return a.size() == b.size() && (a.empty() || std::memcmp(a.data(), b.data(), a.size() * sizeof(T)) == 0);
}

// The larger of `worst` and |found - expected|; infinite where exactly one is NaN.
inline double farther(double worst, double found, double expected) {
  if (found == expected || (found != found && expected != expected)) return worst;
  const double difference = std::fabs(found - expected);
  return difference >= 0 ? std::max(worst, difference) : std::numeric_limits<double>::infinity();
}

// The same numbers with every standard library.
class Random {
 public:
  explicit Random(uint32_t seed) : engine_(seed) {}
  uint32_t bits() { return engine_(); }
  int below(int n) { return static_cast<int>(engine_() % static_cast<uint32_t>(n)); }
  float uniform(float low, float high) {
    return low + (high - low) * (static_cast<float>(engine_() >> 8) / 16777216.0f);
  }
  std::vector<float> vector(size_t size, float low = -1.0f, float high = 1.0f) {
    std::vector<float> values(size);
    for (float& v : values) v = uniform(low, high);
    return values;
  }

 private:
  std::mt19937 engine_;
};

}  // namespace sln_test
