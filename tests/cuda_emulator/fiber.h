// Fibers: a stack each, and a switch between them that saves what a call must preserve and nothing else.
#pragma once

#include <cstddef>
#include <memory>
#include <vector>

namespace emulator {

// A stack and where on it a computation stopped.
class Fiber {
 public:
  Fiber() = default;  // for the thread that runs fibers: its stack is the system's
  ~Fiber();
  Fiber(const Fiber&) = delete;
  Fiber& operator=(const Fiber&) = delete;

  // Maps a stack with an unreadable page below it; false if there is no memory. number spreads the stacks' tops over
  // the cache sets: tops at equal offsets would all fall into one.
  bool map(size_t number);
  // The next switch to it calls entry on an empty stack. entry must begin with entered() and must not return.
  void prepare(void (*entry)());

  // Forgets the frames of a computation that stopped in the middle.
  void forget();

  // Goes on with another fiber until someone switches back.
  void switch_to(Fiber& to);
  // The same, but this fiber's computation is over, whatever lies on its stack.
  [[noreturn]] void end_in(Fiber& to);
  // To be called first by the entry of a fiber; from: the fiber that was left.
  static void entered(Fiber& from);

  // The upper end of the stack, aligned to 64.
  char* top() const { return top_; }
  bool guards(const void* address) const;

 private:
  void* stack_pointer_ = nullptr;
  char* mapping_ = nullptr;
  char* top_ = nullptr;
  // What AddressSanitizer wants to know of a stack.
  const void* low_ = nullptr;
  size_t bytes_ = 0;
  void* fake_stack_ = nullptr;
};

// The fibers of one worker, used again for block after block.
class FiberPool {
 public:
  // A prepared fiber; null if there is no memory.
  Fiber* take(void (*entry)());
  void give(Fiber* fiber) { idle_.push_back(fiber); }
  // Takes all fibers back; stopped: also those that stopped in the middle, whose stacks are forgotten.
  void give_all(bool stopped);

 private:
  std::vector<std::unique_ptr<Fiber>> fibers_;
  std::vector<Fiber*> idle_;
};

}  // namespace emulator
