#include "kernels/isa.h"

#include <hwy/highway.h>
#include <hwy/targets.h>

#include <cstdlib>
#include <string>

namespace sln::cpu {
namespace {

constexpr Isa kBestFirst[] = {Isa::kAvx512, Isa::kAvx2, Isa::kSse4};

struct Choice {
  Isa isa = Isa::kSse4;
  std::string error;  // empty, or why there is no choice

  Choice() {
    try {
      isa = choose_isa(std::getenv("SLN_ISA"));
    } catch (const std::invalid_argument& e) {
      error = e.what();
    }
  }
};

}  // namespace

Isa choose_isa(const char* wanted) {
  const bool any = wanted == nullptr || *wanted == '\0';
  for (const Isa isa : kBestFirst) {
    if (any && isa_supported(isa)) return isa;
    if (any || std::string(wanted) != isa_name(isa)) continue;
    if (isa_supported(isa)) return isa;
    throw std::invalid_argument(std::string("SLN_ISA: expected what this machine has, found that it lacks ") + wanted);
  }
  if (any)
    throw std::invalid_argument(
        "expected a machine with SSE4.2, AES and PCLMUL, which the CPU kernels need, found one without");
  throw std::invalid_argument(std::string("SLN_ISA: expected avx512, avx2 or sse4, found '") + wanted + "'");
}

bool isa_supported(Isa isa) {
  // Highway's detection asks the operating system as well, not only the processor.
  const int64_t targets = hwy::SupportedTargets();
  switch (isa) {
    case Isa::kAvx512:
      return (targets & HWY_AVX3) != 0;
    case Isa::kAvx2:
      return (targets & HWY_AVX2) != 0;
    case Isa::kSse4:
      break;
  }
  return (targets & HWY_SSE4) != 0;
}

Isa isa() {
  // An error is kept as well: SLN_ISA is read once, whatever it says.
  static const Choice choice;
  if (!choice.error.empty()) throw std::invalid_argument(choice.error);
  return choice.isa;
}

const char* isa_name(Isa isa) {
  switch (isa) {
    case Isa::kAvx512:
      return "avx512";
    case Isa::kAvx2:
      return "avx2";
    case Isa::kSse4:
      break;
  }
  return "sse4";
}

}  // namespace sln::cpu
