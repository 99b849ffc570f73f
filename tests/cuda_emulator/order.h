// In which order threads, lanes and blocks run. A kernel must not depend on it.
#pragma once

#include <cstdint>
#include <string>

namespace emulator {

enum class Direction { up, down, seeded };

struct Order {
  Direction direction = Direction::up;
  uint64_t seed = 0;

  std::string text() const;  // as EMU_ORDER
};

// EMU_ORDER or what set_order() said; a random seed, which stderr tells, if there is neither.
Order current_order();

// Small and fast: a shuffle of a block's threads costs less than running them.
class Random {
 public:
  explicit Random(uint64_t seed) : state_(seed) {}
  uint64_t next();
  // 0 .. below - 1
  uint32_t below(uint32_t n) { return static_cast<uint32_t>((next() >> 32) * n >> 32); }

 private:
  uint64_t state_;
};

// A bijection of 0 .. count - 1 that needs no table.
class Permutation {
 public:
  Permutation(const Order& order, uint64_t count);
  uint64_t operator()(uint64_t i) const;

 private:
  uint64_t count_;
  uint64_t factor_ = 1;
  uint64_t offset_ = 0;
};

}  // namespace emulator
