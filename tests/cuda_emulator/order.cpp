#include "tests/cuda_emulator/order.h"

#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <numeric>
#include <optional>
#include <random>
#include <stdexcept>

#include "emulator/control.h"

namespace emulator {
namespace {

Order parse(const std::string& text) {
  if (text == "up") return {Direction::up, 0};
  if (text == "down") return {Direction::down, 0};
  char* end = nullptr;
  const uint64_t seed = std::strtoull(text.c_str(), &end, 10);
  if (text.empty() || *end != '\0') throw std::invalid_argument("EMU_ORDER is up, down or a number, not " + text);
  return {Direction::seeded, seed};
}

// A seed is told when it is drawn: bytes that are wrong in its order alone break no rule whose report would name it.
Order draw() {
  if (const char* text = std::getenv("EMU_ORDER")) return parse(text);
  const Order drawn = {Direction::seeded, std::random_device{}()};
  std::fprintf(stderr, "CUDA emulator: threads run in the order EMU_ORDER=%s\n", drawn.text().c_str());
  return drawn;
}

// One for the whole process.
const Order& initial() {
  static const Order first = draw();
  return first;
}

std::mutex mutex;
std::optional<Order> order;  // under mutex

}  // namespace

std::string Order::text() const {
  if (direction == Direction::seeded) return std::to_string(seed);
  return direction == Direction::up ? "up" : "down";
}

Order current_order() {
  const std::lock_guard<std::mutex> lock(mutex);
  if (!order) order = initial();
  return *order;
}

void set_order(const std::string& text) {
  const std::optional<Order> wanted = text.empty() ? std::nullopt : std::optional<Order>(parse(text));
  const std::lock_guard<std::mutex> lock(mutex);
  order = wanted;
}

// splitmix64
uint64_t Random::next() {
  state_ += 0x9e3779b97f4a7c15u;
  uint64_t x = state_;
  x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
  x = (x ^ x >> 27) * 0x94d049bb133111ebu;
  return x ^ x >> 31;
}

Permutation::Permutation(const Order& order, uint64_t count) : count_(count) {
  if (order.direction == Direction::down) {
    factor_ = count - 1;  // -1
    offset_ = count - 1;
  }
  if (order.direction != Direction::seeded || count < 2) return;
  Random random(order.seed);
  offset_ = random.next() % count;
  do {
    factor_ = random.next() % count;
  } while (std::gcd(factor_, count) != 1);
}

uint64_t Permutation::operator()(uint64_t i) const {
  __extension__ using Wide = unsigned __int128;
  return static_cast<uint64_t>((static_cast<Wide>(i) * factor_ + offset_) % count_);
}

}  // namespace emulator
