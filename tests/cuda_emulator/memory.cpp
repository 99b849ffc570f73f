#include "tests/cuda_emulator/memory.h"

#include <sys/mman.h>

#include <algorithm>
#include <cstring>

#include "emulator/control.h"
#include "tests/cuda_emulator/guard.h"

namespace emulator {
namespace {

constexpr size_t kPage = 4096;
constexpr size_t kUnreadable = 16 * kPage;  // on either side: no memory, addresses only
constexpr size_t kAlignment = 256;
constexpr size_t kMinGuard = 64;  // bytes behind the data
constexpr size_t kMaxBytes = size_t{1} << 46;
constexpr size_t kFreedKept = 64;

size_t round_up(size_t bytes, size_t unit) {
  return (bytes + unit - 1) / unit * unit;
}

}  // namespace

DeviceMemory& DeviceMemory::instance() {
  // Never destroyed: engines that live until the end of the process still free.
  static DeviceMemory* const memory = new DeviceMemory;
  return *memory;
}

// unreadable | guard bytes from the page's begin | data | guard bytes to the page's end | unreadable
void* DeviceMemory::allocate(size_t bytes) {
  if (bytes > kMaxBytes) return nullptr;
  const size_t placed = round_up(bytes + kMinGuard, kAlignment);
  const size_t inner = round_up(placed, kPage);
  const size_t mapped = inner + 2 * kUnreadable;
  void* const memory = mmap(nullptr, mapped, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) return nullptr;
  auto* const mapping = static_cast<uint8_t*>(memory);
  uint8_t* const begin = mapping + kUnreadable;
  if (mprotect(begin, inner, PROT_READ | PROT_WRITE) != 0) {
    munmap(memory, mapped);
    return nullptr;
  }
  uint8_t* const data = begin + (inner - placed);
  std::memset(data, kFillByte, bytes);
  set_guard(begin, static_cast<size_t>(data - begin));
  set_guard(data + bytes, placed - bytes);
  const std::lock_guard<std::mutex> lock(mutex_);
  live_[reinterpret_cast<uintptr_t>(data)] = {++calls_, mapping, mapped, data, bytes};
  return data;
}

bool DeviceMemory::release(void* pointer, std::string* damage) {
  const std::lock_guard<std::mutex> lock(mutex_);
  const auto found = live_.find(reinterpret_cast<uintptr_t>(pointer));
  if (found == live_.end()) return false;
  const Allocation a = found->second;
  live_.erase(found);
  *damage = damage_of(a);
  madvise(a.mapping + kUnreadable, a.mapped - 2 * kUnreadable, MADV_DONTNEED);
  mprotect(a.mapping, a.mapped, PROT_NONE);
  poison(a.data, a.bytes);
  freed_.push_back(a);
  if (freed_.size() > kFreedKept) {
    unpoison(freed_.front().mapping, freed_.front().mapped);
    munmap(freed_.front().mapping, freed_.front().mapped);
    freed_.pop_front();
  }
  return true;
}

bool DeviceMemory::covers(const void* pointer, size_t bytes) const {
  const auto at = reinterpret_cast<uintptr_t>(pointer);
  const std::lock_guard<std::mutex> lock(mutex_);
  const auto after = live_.upper_bound(at);
  if (after == live_.begin()) return false;
  const auto& [begin, a] = *std::prev(after);
  const size_t offset = at - begin;
  return offset <= a.bytes && bytes <= a.bytes - offset;
}

bool DeviceMemory::touches(const void* pointer, size_t bytes) const {
  const auto at = reinterpret_cast<uintptr_t>(pointer);
  const auto meets = [&](const Allocation& a) {
    const auto begin = reinterpret_cast<uintptr_t>(a.mapping);
    return at < begin + a.mapped && begin < at + bytes;
  };
  const std::lock_guard<std::mutex> lock(mutex_);
  return std::any_of(live_.begin(), live_.end(), [&](const auto& one) { return meets(one.second); }) ||
         std::any_of(freed_.begin(), freed_.end(), meets);
}

std::string DeviceMemory::name(const Allocation& a) {
  return "allocation " + std::to_string(a.number) + ", which has " + std::to_string(a.bytes) + " bytes";
}

std::string DeviceMemory::damage_of(const Allocation& a) {
  uint8_t* const end = a.data + a.bytes;
  const size_t behind = static_cast<size_t>(a.mapping + a.mapped - kUnreadable - end);
  const size_t at = first_damage(end, behind);
  if (at != behind) {
    set_guard(end, behind);
    return std::to_string(at) + " bytes behind " + name(a);
  }
  uint8_t* const begin = a.mapping + kUnreadable;
  const size_t before = static_cast<size_t>(a.data - begin);
  if (first_damage(begin, before) == before) return std::string();
  set_guard(begin, before);
  return "before " + name(a);
}

std::string DeviceMemory::damage() {
  const std::lock_guard<std::mutex> lock(mutex_);
  for (const auto& [begin, a] : live_) {
    const std::string text = damage_of(a);
    if (!text.empty()) return text;
  }
  return std::string();
}

std::string DeviceMemory::describe(const void* address) const {
  const auto at = reinterpret_cast<uintptr_t>(address);
  const auto maps = [&](const Allocation& a) {
    const auto begin = reinterpret_cast<uintptr_t>(a.mapping);
    return at >= begin && at - begin < a.mapped;
  };
  const auto place = [&](const Allocation& a) {
    const auto begin = reinterpret_cast<uintptr_t>(a.data);
    if (at < begin) return std::to_string(begin - at) + " bytes before " + name(a);
    if (at - begin < a.bytes) return "byte " + std::to_string(at - begin) + " of " + name(a);
    return std::to_string(at - begin - a.bytes) + " bytes behind " + name(a);
  };
  const std::lock_guard<std::mutex> lock(mutex_);
  for (const auto& [begin, a] : live_) {
    if (maps(a)) return place(a);
  }
  for (const Allocation& a : freed_) {
    if (maps(a)) return place(a) + " and is freed";
  }
  return "in no allocation";
}

size_t DeviceMemory::count() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return live_.size();
}

size_t live_allocations() {
  return DeviceMemory::instance().count();
}

}  // namespace emulator
