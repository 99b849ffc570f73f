#include "engine/arena.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include "engine/backend.h"
#include "engine/error.h"

namespace sln {
Buffer::~Buffer() {
  if (arena_ != nullptr) arena_->release(id_);
}

void Buffer::swap(Buffer& other) noexcept {
  std::swap(arena_, other.arena_);
  std::swap(id_, other.id_);
  std::swap(data_, other.data_);
}

Buffer Arena::take(size_t bytes) {
  const size_t id = next_++;
  if (recording_) {
    lifetimes_.push_back({aligned(bytes), event_++, -1});
    return {this, static_cast<int>(id), reinterpret_cast<void*>(kAlignment * next_)};
  }
  if (id >= lifetimes_.size() || aligned(bytes) > lifetimes_[id].bytes)
    fail(ErrorKind::kInternal, "arena: buffer ", id, " of ", bytes, " bytes was not planned so");
  if (mode_ == Mode::kPacked)
    return {this, static_cast<int>(id), static_cast<unsigned char*>(blocks_[0].data()) + offsets_[id]};
  backend_.poison(blocks_[id].data(), bytes);
  return {this, static_cast<int>(id), blocks_[id].data()};
}

void Arena::release(int id) {
  if (recording_) lifetimes_[static_cast<size_t>(id)].end = event_++;
}

void Arena::plan() {
  recording_ = false;
  bytes_ = lay_out(lifetimes_, offsets_);
  if (mode_ == Mode::kPacked) {
    blocks_.emplace_back(device_, bytes_);
    return;
  }
  bytes_ = 0;
  for (const Lifetime& life : lifetimes_) {
    blocks_.emplace_back(device_, life.bytes);
    bytes_ += life.bytes;
  }
}

size_t Arena::lay_out(const std::vector<Lifetime>& lifetimes, std::vector<size_t>& offsets) {
  offsets.assign(lifetimes.size(), 0);
  std::vector<size_t> order(lifetimes.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](size_t a, size_t b) { return lifetimes[a].bytes > lifetimes[b].bytes; });
  std::vector<size_t> placed;  // by ascending offset
  size_t total = 0;
  for (const size_t i : order) {
    const Lifetime& life = lifetimes[i];
    size_t at = 0;
    for (const size_t j : placed) {
      const Lifetime& other = lifetimes[j];
      const bool meet = life.begin < other.end && other.begin < life.end;
      if (!meet) continue;
      if (at + life.bytes <= offsets[j]) break;
      at = std::max(at, offsets[j] + other.bytes);
    }
    offsets[i] = at;
    total = std::max(total, at + life.bytes);
    placed.insert(
        std::upper_bound(placed.begin(), placed.end(), at, [&](size_t value, size_t j) { return value < offsets[j]; }),
        i);
  }
  return total;
}

}  // namespace sln
