// One worker's block: its threads as fibers, who is ready, and the rules of barriers.
//
// A fiber runs until its thread waits or returns, and then switches straight to the next ready thread. A thread that
// has not begun needs no fiber of its own as long as the one before it returned without waiting: it goes on in the
// same.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "emulator/device.h"
#include "emulator/runtime_api.h"
#include "tests/cuda_emulator/fiber.h"
#include "tests/cuda_emulator/order.h"
#include "tests/cuda_emulator/shared_pool.h"
#include "tests/cuda_emulator/warp.h"

namespace emulator {

constexpr unsigned kMaxThreads = 1024;

class Block {
 public:
  Block();

  void begin_launch(const LaunchShape& shape, const KernelCall& call, const Order& order);
  // Runs the block at this place of the grid. False if it broke a rule; the report is written.
  bool run(uint64_t place);
  // After the last one, if none broke a rule. False as run().
  bool end_launch();

  // The block that this system thread runs at the moment; null outside of kernels.
  static Block* current();
  // The fiber that runs.
  const Fiber& fiber() const { return *current_->fiber; }

  int barrier(Primitive primitive, int predicate, Site site);
  uint64_t warp_call(WarpCall call);
  // The lane that a shuffle reads.
  unsigned source(Primitive primitive, int argument, int width, Site site);
  void* shared_array(const SharedSite& site);
  void* dynamic_shared() const { return shared_.dynamic(); }

  // Gives the block up: reports what the current thread has done and leaves the kernel.
  [[noreturn]] void violation(const std::string& what, Site site = {});
  // The same after a signal, on the emptied stack of the thread that caused it.
  [[noreturn]] void faulted(const void* address, const std::string& what);

 private:
  struct Thread {
    uint3 index;
    Fiber* fiber;  // null before the thread has begun
    unsigned lane;
    Warp* warp;
  };

  static void fiber_main();
  void live();
  Thread* live_one();
  void returned();
  Thread* next_ready();
  void make_current(Thread* thread);
  void suspend();
  void release_barrier();
  void release_lanes(unsigned first_thread, unsigned lanes);
  void make_ready(unsigned thread) { ready_[ready_end_++ % kMaxThreads] = static_cast<uint16_t>(thread); }
  [[noreturn]] void deadlock();
  static std::string name(const Thread& thread);
  void shuffle_threads(uint64_t place);

  LaunchShape shape_;
  const KernelCall* call_ = nullptr;
  Order order_;
  Random random_{0};
  unsigned thread_count_ = 0;
  std::vector<Thread> threads_;
  std::vector<Warp> warps_;
  std::array<uint16_t, kMaxThreads> sequence_{};  // of the threads in this block
  std::array<uint16_t, kMaxThreads> ready_{};     // a ring
  unsigned ready_begin_ = 0;
  unsigned ready_end_ = 0;
  unsigned returned_ = 0;

  // Of the barrier that threads wait at.
  unsigned waiting_ = 0;
  unsigned first_waiting_ = 0;  // the thread that came first
  Primitive barrier_primitive_ = Primitive::syncthreads;
  Site barrier_site_;
  int votes_ = 0;
  int result_ = 0;  // of the barrier before

  Thread* current_ = nullptr;
  Fiber host_;
  Fiber* previous_ = nullptr;  // the fiber that was left last, for a fiber that begins
  FiberPool fibers_;
  SharedPool shared_;
  bool failed_ = false;
};

}  // namespace emulator
