// A kernel that touches an unreadable page is a broken rule like others: the block is given up, the process lives.
#pragma once

#include <signal.h>

namespace emulator {

// Catches SIGSEGV and SIGBUS of kernels while it lives; AddressSanitizer catches them itself.
class FaultGuard {
 public:
  FaultGuard();
  ~FaultGuard();
  FaultGuard(const FaultGuard&) = delete;
  FaultGuard& operator=(const FaultGuard&) = delete;

  // To be called by every system thread that runs kernels: signals need a stack of their own, for a kernel's may be
  // full.
  static void prepare_thread();

 private:
  struct sigaction previous_segv_;
  struct sigaction previous_bus_;
};

}  // namespace emulator
