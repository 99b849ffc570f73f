// A kernel that touches an unreadable page or divides an integer by zero has broken a rule like others: the block is
// given up, the process lives.
#pragma once

#include <signal.h>

#include <array>

namespace emulator {

// Catches SIGSEGV, SIGBUS and SIGFPE of kernels while it lives; AddressSanitizer catches them itself.
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
  std::array<struct sigaction, 3> previous_;
};

}  // namespace emulator
