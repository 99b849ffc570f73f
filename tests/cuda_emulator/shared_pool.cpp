#include "tests/cuda_emulator/shared_pool.h"

#include <cstring>

#include "tests/cuda_emulator/guard.h"
#include "tests/cuda_emulator/report.h"

namespace emulator {
namespace {

constexpr size_t kAlignment = 16;
constexpr size_t kGap = 4096;  // longer than several rows of any tile
constexpr size_t kMaxGaps = 33;
constexpr size_t kPool = kSharedLimit + kMaxGaps * (kGap + kAlignment);

size_t aligned(size_t bytes) {
  return (bytes + kAlignment - 1) / kAlignment * kAlignment;
}

}  // namespace

SharedPool::SharedPool() {
  static_assert(kMaxGaps == kMaxArrays + 1, "in front of the first array and behind each");
  memory_ = std::make_unique<uint8_t[]>(kPool + 64);
  base_ = memory_.get() + (64 - reinterpret_cast<uintptr_t>(memory_.get()) % 64);
  begin_launch();
}

SharedPool::~SharedPool() {
  unpoison(base_, kPool);
}

void SharedPool::begin_launch() {
  if (!whole_) {
    count_ = end_ = 0;
    set_guard(base_, kPool);
  }
  whole_ = false;
}

// Guards the arrays, too. Their gaps are as they were.
void SharedPool::forget() {
  for (size_t i = 0; i < count_; ++i) set_guard(arrays_[i].data, aligned(arrays_[i].bytes));
  count_ = 0;
}

void SharedPool::begin(size_t dynamic_bytes) {
  forget();
  used_ = 0;
  end_ = kGap;
  dynamic_ = add(nullptr, dynamic_bytes).data;
}

// An array's gap reaches to the next multiple of 16 and kGap further.
SharedPool::Array& SharedPool::add(const SharedSite* site, size_t bytes) {
  Array& made = arrays_[count_++];
  made = {site, base_ + end_, bytes};
  used_ += aligned(bytes);
  unpoison(made.data, bytes);
  std::memset(made.data, kFillByte, bytes);
  end_ += aligned(bytes) + kGap;
  return made;
}

void* SharedPool::array(const SharedSite& site) {
  for (size_t i = 1; i < count_; ++i) {
    if (arrays_[i].site == &site) return arrays_[i].data;
  }
  if (site.bytes > kSharedLimit - used_ || aligned(site.bytes) > kSharedLimit - used_ || count_ == kMaxArrays) {
    why_ = "shared memory: " + std::string(site.name) + " wants " + std::to_string(site.bytes) + " bytes, " +
           std::to_string(used_) + " of " + std::to_string(kSharedLimit) + " are in use by " +
           std::to_string(count_ - 1) + " arrays and the dynamic one";
    return nullptr;
  }
  return add(&site, site.bytes).data;
}

std::string SharedPool::damage() const {
  if (first_damage(base_, kGap) != kGap) return "in front of the first array";
  for (size_t i = 0; i < count_; ++i) {
    const Array& a = arrays_[i];
    const size_t gap = aligned(a.bytes) + kGap - a.bytes;
    const size_t at = first_damage(a.data + a.bytes, gap);
    if (at == gap) continue;
    return std::to_string(at) + " bytes behind " +
           (a.site == nullptr ? "the dynamic array" : std::string(a.site->name) + " (" + text_of(a.site->site) + ")") +
           ", which has " + std::to_string(a.bytes);
  }
  return std::string();
}

std::string SharedPool::end_launch() {
  forget();
  const size_t at = first_damage(base_, kPool);
  whole_ = at == kPool;
  return whole_ ? std::string() : std::to_string(at + kGap - end_) + " bytes behind a block's last array";
}

}  // namespace emulator
