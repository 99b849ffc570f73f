// The shared memory of the block that a worker runs: arrays one after another, each filled with 0xFF, with guarded gaps
// in front, between and behind.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "emulator/device.h"

namespace emulator {

constexpr size_t kSharedLimit = 48 * 1024;

class SharedPool {
 public:
  SharedPool();
  ~SharedPool();
  SharedPool(const SharedPool&) = delete;
  SharedPool& operator=(const SharedPool&) = delete;

  // Forgets all arrays and makes the dynamic one.
  void begin(size_t dynamic_bytes);

  // The array of a site, made when its first thread asks. Null if the block's memory is used up: see why().
  void* array(const SharedSite& site);
  void* dynamic() const { return dynamic_; }
  const std::string& why() const { return why_; }

  // At the end of a block: names the array behind (or in front of) which something was written; empty if none.
  std::string damage() const;

 private:
  struct Array {
    const SharedSite* site;  // null: the dynamic array
    uint8_t* data;
    size_t bytes;
  };
  Array& add(const SharedSite* site, size_t bytes);

  static constexpr size_t kMaxArrays = 32;
  std::unique_ptr<uint8_t[]> memory_;
  uint8_t* base_ = nullptr;  // aligned
  std::array<Array, kMaxArrays> arrays_{};
  size_t count_ = 0;
  size_t end_ = 0;   // of what is given away, gaps included
  size_t used_ = 0;  // as a card counts: without gaps
  void* dynamic_ = nullptr;
  std::string why_;
};

}  // namespace emulator
