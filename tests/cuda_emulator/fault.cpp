#include "tests/cuda_emulator/fault.h"

#include <ucontext.h>

#include <cstdint>
#include <cstdlib>

#include "tests/cuda_emulator/asan.h"
#include "tests/cuda_emulator/block.h"
#include "tests/cuda_emulator/memory.h"

namespace emulator {
namespace {

constexpr int kSignals[] = {SIGSEGV, SIGBUS, SIGFPE};
constexpr size_t kSignalStack = 64 * 1024;

EMU_THREAD_LOCAL void* fault_address = nullptr;
EMU_THREAD_LOCAL int fault_signal = 0;

// Where the fiber goes on after the signal, on its emptied stack.
[[noreturn]] void after_fault() {
  void* const address = fault_address;
  if (fault_signal == SIGFPE) Block::current()->faulted(nullptr, "an integer division by zero or overflow");
  Block::current()->faulted(address, "an access that no memory answers, " + DeviceMemory::instance().describe(address));
}

void on_signal(int signal, siginfo_t* info, void* context) {
  Block* const block = Block::current();
  if (block == nullptr) {  // not a kernel's: comes again and does what it does without the emulator
    ::signal(signal, SIG_DFL);
    return;
  }
  fault_address = info->si_addr;
  fault_signal = signal;
  auto& registers = static_cast<ucontext_t*>(context)->uc_mcontext.gregs;
  registers[REG_RIP] = reinterpret_cast<greg_t>(after_fault);
  registers[REG_RSP] = reinterpret_cast<greg_t>(block->fiber().top()) - 8;  // as after a call
}

// A system thread's signal stack, if it has none.
class SignalStack {
 public:
  SignalStack() = default;
  void install() {
    stack_t now;
    if (sigaltstack(nullptr, &now) != 0 || (now.ss_flags & SS_DISABLE) == 0) return;
    if (memory_ == nullptr) memory_ = std::malloc(kSignalStack);
    stack_t mine = {};
    mine.ss_sp = memory_;
    mine.ss_size = kSignalStack;
    if (memory_ != nullptr) sigaltstack(&mine, nullptr);
  }
  ~SignalStack() {
    stack_t now;
    if (memory_ != nullptr && sigaltstack(nullptr, &now) == 0 && now.ss_sp == memory_) {
      stack_t none = {};
      none.ss_flags = SS_DISABLE;
      sigaltstack(&none, nullptr);
    }
    std::free(memory_);
  }
  SignalStack(const SignalStack&) = delete;
  SignalStack& operator=(const SignalStack&) = delete;

 private:
  void* memory_ = nullptr;
};

}  // namespace

FaultGuard::FaultGuard() {
  if (kAsan) return;
  struct sigaction action = {};
  action.sa_sigaction = on_signal;
  action.sa_flags = SA_SIGINFO | SA_ONSTACK;
  sigemptyset(&action.sa_mask);
  for (size_t i = 0; i < previous_.size(); ++i) sigaction(kSignals[i], &action, &previous_[i]);
}

FaultGuard::~FaultGuard() {
  if (kAsan) return;
  for (size_t i = 0; i < previous_.size(); ++i) sigaction(kSignals[i], &previous_[i], nullptr);
}

void FaultGuard::prepare_thread() {
  if (kAsan) return;
  static thread_local SignalStack stack;
  stack.install();  // each time: others (a test framework) install theirs and take them away again
}

}  // namespace emulator
