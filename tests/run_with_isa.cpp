// run_with_isa ISA COMMAND...: runs the command with SLN_ISA=ISA, or ends with 77 (which CTest reports as skipped)
// where this machine lacks it.
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "kernels/isa.h"

int main(int argc, char** argv) {
  if (argc < 3) {
    std::fprintf(stderr, "usage: %s ISA COMMAND...\n", argv[0]);
    return 2;
  }
  using sln::cpu::Isa;
  for (const Isa isa : {Isa::kSse4, Isa::kAvx2, Isa::kAvx512}) {
    if (std::strcmp(argv[1], sln::cpu::isa_name(isa)) != 0) continue;
    if (!sln::cpu::isa_supported(isa)) {
      std::printf("skipped: this machine lacks %s\n", argv[1]);
      return 77;
    }
    if (setenv("SLN_ISA", argv[1], 1) != 0) return 2;
    execvp(argv[2], argv + 2);
    std::perror(argv[2]);
    return 2;
  }
  std::fprintf(stderr, "unknown instruction set %s\n", argv[1]);
  return 2;
}
