// The shared memory of the block that a worker runs: arrays one after another, each filled with 0xFF, in a pool of
// which all the rest is guarded: kGap bytes and more in front of, between and behind them.
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

  // Mends what a launch that failed has left.
  void begin_launch();
  // Forgets all arrays and makes the dynamic one.
  void begin(size_t dynamic_bytes);

  // The array of a site, made when its first thread asks. Null if the block's memory is used up: see why().
  void* array(const SharedSite& site);
  void* dynamic() const { return dynamic_; }
  const std::string& why() const { return why_; }

  // At the end of a block: names the array less than kGap behind (or in front of) which something was written; empty if
  // none. The rest of the pool is left to end_launch(): it costs more than small blocks do.
  std::string damage() const;
  // After a worker's last block of a launch that did not fail: the same for the whole pool.
  std::string end_launch();

 private:
  struct Array {
    const SharedSite* site;  // null: the dynamic array
    uint8_t* data;
    size_t bytes;
  };
  Array& add(const SharedSite* site, size_t bytes);
  void forget();

  static constexpr size_t kMaxArrays = 32;
  std::unique_ptr<uint8_t[]> memory_;
  uint8_t* base_ = nullptr;  // aligned
  std::array<Array, kMaxArrays> arrays_{};
  size_t count_ = 0;
  size_t end_ = 0;   // of what is given away, gaps included
  size_t used_ = 0;  // as a card counts: without gaps
  void* dynamic_ = nullptr;
  bool whole_ = false;  // every byte but the arrays' is a guard byte, as far as it was looked at
  std::string why_;
};

}  // namespace emulator
