// Device memory: every allocation stands alone between unreadable pages, filled with 0xFF, with guard bytes at both
// ends. What is freed stays unreadable for a while, so that a stale pointer is seen.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <mutex>
#include <string>

namespace emulator {

class DeviceMemory {
 public:
  static DeviceMemory& instance();

  // Aligned to 256. Null if there is no memory.
  void* allocate(size_t bytes);
  // False if no allocation begins there. damage: as damage() below, of this allocation.
  bool release(void* pointer, std::string* damage);

  // Whether all the bytes lie in one allocation.
  bool covers(const void* pointer, size_t bytes) const;
  // Whether any of the bytes lies in an allocation or next to one, freed ones included.
  bool touches(const void* pointer, size_t bytes) const;
  // Names the first allocation whose guard bytes were written; empty if there is none. The bytes are mended, so that a
  // damage is told once.
  std::string damage();
  // Where an address lies: in, before or behind which allocation.
  std::string describe(const void* address) const;
  size_t count() const;

 private:
  struct Allocation {
    uint64_t number;  // in the order of the calls, from 1
    uint8_t* mapping;
    size_t mapped;
    uint8_t* data;
    size_t bytes;
  };
  static std::string name(const Allocation& a);
  static std::string damage_of(const Allocation& a);

  mutable std::mutex mutex_;
  std::map<uintptr_t, Allocation> live_;  // by the data's address
  std::deque<Allocation> freed_;
  uint64_t calls_ = 0;
};

}  // namespace emulator
