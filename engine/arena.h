// One scratch block for all activations, planned before the first run.
//
// The pipeline is plain code that takes buffers and lets them go. It is walked through once while the arena records
// sizes and lifetimes and no op runs; plan() turns these into offsets. From then on the n-th take() of a run gets the
// n-th offset, so a run allocates nothing. The order of takes and releases must not depend on data.
#pragma once

#include <cstddef>
#include <vector>

#include "engine/device.h"

namespace sln {

class Arena;
class Backend;

// A piece of the arena, returned to it by the destructor. Movable.
class Buffer {
 public:
  Buffer() = default;
  Buffer(Arena* arena, int id, void* data) : arena_(arena), id_(id), data_(data) {}
  Buffer(Buffer&& other) noexcept { swap(other); }
  Buffer& operator=(Buffer&& other) noexcept {
    Buffer(static_cast<Buffer&&>(other)).swap(*this);
    return *this;
  }
  ~Buffer();
  void* data() { return data_; }
  float* floats() { return static_cast<float*>(data_); }
  const void* data() const { return data_; }
  const float* floats() const { return static_cast<const float*>(data_); }

 private:
  void swap(Buffer& other) noexcept;
  Arena* arena_ = nullptr;
  int id_ = 0;
  void* data_ = nullptr;  // of the device; while the arena records, an address that is nobody's
};

class Arena {
 public:
  // kGuard gives every buffer its own memory, poisoned at each take, so that sanitizers and poison see reads of another
  // buffer or of a former life. Chosen by SLN_ARENA=guard.
  enum class Mode { kPacked, kGuard };
  // Memory is the device's, which outlives the arena; poison goes through the backend's queue, which take() needs.
  Arena(Mode mode, Device& device, Backend& backend) : mode_(mode), device_(device), backend_(backend) {}
  Arena(const Arena&) = delete;
  Arena& operator=(const Arena&) = delete;

  // At most the bytes that were recorded for this take; memory is 64-byte aligned.
  Buffer take(size_t bytes);
  bool recording() const { return recording_; }
  // Ends recording. Lays out what was recorded and allocates it. Throws std::bad_alloc.
  void plan();
  // Begins a run: the next take() is the first. All buffers must have been returned.
  void rewind() { next_ = 0; }
  size_t bytes() const { return bytes_; }  // of the block, after plan()

  struct Lifetime {
    size_t bytes;
    int begin;  // number of the event at which it was taken
    int end;    // number of the event at which it was released
  };
  // Offsets for lifetimes, so that what overlaps in time does not in space: largest first, each at the lowest offset
  // that fits. Returns the total size. Exposed for tests.
  static size_t lay_out(const std::vector<Lifetime>& lifetimes, std::vector<size_t>& offsets);

 private:
  friend class Buffer;
  void release(int id);

  Mode mode_;
  Device& device_;
  Backend& backend_;
  bool recording_ = true;
  int event_ = 0;
  size_t next_ = 0;
  size_t bytes_ = 0;
  std::vector<Lifetime> lifetimes_;
  std::vector<size_t> offsets_;
  std::vector<DeviceMemory> blocks_;  // kPacked: one; kGuard: one per buffer
};

}  // namespace sln
