// An engine's queue on a device: runs ops in order. Everything enqueues and returns, but for wait() and read().
#pragma once

#include "engine/op.h"

namespace sln {

// Used by one thread at a time. The destructor waits for what is under way.
class Backend {
 public:
  virtual ~Backend() = default;

  // Bytes that run(op) needs beside the op's buffers. The same for every image.
  virtual size_t scratch_bytes(const Op& op) const = 0;
  // scratch: scratch_bytes(op), 64-byte aligned; free again for what is enqueued next. A photo's pixels are free when
  // this returns.
  virtual void run(const Op& op, void* scratch) = 0;
  // Fills with 0xFF: NaN as float. For finding reads of what was not written.
  virtual void poison(void* memory, size_t bytes) = 0;

  // Images that may be under way, each with a number in [0, flights()).
  virtual int flights() const = 0;
  // Brings the block to the host as it is after the ops so far, for wait(flight).
  virtual void fetch(int flight, void* block, size_t bytes) = 0;
  // Waits until the flight's block is here, and returns it; valid until the flight's next image is enqueued. The only
  // place where the host waits for an image.
  virtual void* wait(int flight) = 0;
  // Notes when what was enqueued so far is done; moment in [0, kMoments).
  static constexpr int kMoments = 64;
  virtual void mark(int flight, int moment) = 0;
  // Between two moments of a flight that was waited for.
  virtual double seconds(int flight, int from, int to) = 0;
  // Copies to the host, and returns when that is done: for captures.
  virtual void read(void* to, const void* from, size_t bytes) = 0;

  // fp32 fused multiply-adds, FLOP/s. Takes a fraction of a second.
  virtual double measure_peak_flops() = 0;
};

}  // namespace sln
