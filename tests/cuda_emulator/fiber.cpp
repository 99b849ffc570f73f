#include "tests/cuda_emulator/fiber.h"

#include <sys/mman.h>

#include <cstdint>
#include <cstdlib>

#include "tests/cuda_emulator/asan.h"

// Pushes the registers that a call preserves, stores the stack pointer in *save and pops the same from the other stack.
extern "C" void sln_emulator_switch(void** save, void* to);
asm(R"(
  .text
  .globl sln_emulator_switch
  .hidden sln_emulator_switch
  .type sln_emulator_switch, @function
sln_emulator_switch:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
  .size sln_emulator_switch, . - sln_emulator_switch
)");

namespace emulator {
namespace {

constexpr size_t kPage = 4096;
// With the guard page; a page is real only once it is touched. AddressSanitizer's red zones make frames several times
// as large.
constexpr size_t kStack = (kAsan ? 512 : 128) * 1024;
constexpr size_t kEntryFrames = 8 * 1024;
constexpr int kSavedRegisters = 6;

}  // namespace

Fiber::~Fiber() {
  if (mapping_ == nullptr) return;
  unpoison(mapping_ + kPage, kStack - kPage);
  munmap(mapping_, kStack);
}

bool Fiber::map(size_t number) {
  void* const memory =
      mmap(nullptr, kStack, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) return false;
  mapping_ = static_cast<char*>(memory);
  if (mprotect(mapping_, kPage, PROT_NONE) != 0) return false;
  low_ = mapping_ + kPage;
  top_ = mapping_ + kStack - 64 * (number % 37);
  bytes_ = static_cast<size_t>(top_ - (mapping_ + kPage));
  return true;
}

void Fiber::prepare(void (*entry)()) {
  // The frames of the entry, which never returned, have left their red zones.
  unpoison(top_ - kEntryFrames, kEntryFrames);
  fake_stack_ = nullptr;
  auto slot = reinterpret_cast<void**>(top_);
  *--slot = nullptr;  // where the entry would return to: a function begins 8 bytes off a multiple of 16
  *--slot = reinterpret_cast<void*>(entry);
  for (int i = 0; i < kSavedRegisters; ++i) *--slot = nullptr;
  stack_pointer_ = slot;
}

void Fiber::forget() {
  unpoison(low_, bytes_);
}

void Fiber::switch_to(Fiber& to) {
  leave_stack(&fake_stack_, to.low_, to.bytes_);
  sln_emulator_switch(&stack_pointer_, to.stack_pointer_);
  enter_stack(fake_stack_, nullptr, nullptr);
}

void Fiber::end_in(Fiber& to) {
  leave_stack(nullptr, to.low_, to.bytes_);
  sln_emulator_switch(&stack_pointer_, to.stack_pointer_);
  std::abort();  // not reached
}

void Fiber::entered(Fiber& from) {
  // Where the system's own stack lies is known only now.
  const bool system = from.mapping_ == nullptr;
  const void* low = nullptr;
  size_t bytes = 0;
  enter_stack(nullptr, &low, &bytes);
  if (system) {
    from.low_ = low;
    from.bytes_ = bytes;
  }
}

bool Fiber::guards(const void* address) const {
  const auto at = reinterpret_cast<uintptr_t>(address);
  const auto low = reinterpret_cast<uintptr_t>(mapping_);
  return at >= low && at - low < kPage;
}

Fiber* FiberPool::take(void (*entry)()) {
  if (idle_.empty()) {
    auto fiber = std::make_unique<Fiber>();
    if (!fiber->map(fibers_.size())) return nullptr;
    idle_.push_back(fiber.get());
    fibers_.push_back(std::move(fiber));
  }
  Fiber* const fiber = idle_.back();
  idle_.pop_back();
  fiber->prepare(entry);
  return fiber;
}

void FiberPool::give_all(bool stopped) {
  idle_.clear();
  for (const auto& fiber : fibers_) {
    if (stopped) fiber->forget();
    idle_.push_back(fiber.get());
  }
}

}  // namespace emulator
