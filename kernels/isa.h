// The instruction set of the CPU kernels: chosen once per process, the best that the machine has, unless SLN_ISA
// (avx512 | avx2 | sse4) names another.
#pragma once

#include <stdexcept>

namespace sln::cpu {

enum class Isa { kSse4, kAvx2, kAvx512 };

// Returns the instruction set in use. Reads SLN_ISA at the first call only.
// Throws std::invalid_argument where SLN_ISA names an unknown one or one that this machine lacks.
Isa isa();

// What isa() makes of a value of SLN_ISA (null or empty: the best that the machine has), with its exceptions.
Isa choose_isa(const char* wanted);

// Whether this machine has it, SLN_ISA aside.
bool isa_supported(Isa isa);

// "avx512", "avx2" or "sse4".
const char* isa_name(Isa isa);

class ThreadPool;

// Measured fp32 fused multiply-add rate of the pool's threads together, in FLOP/s (1 FMA = 2 FLOP), best of several
// short runs of a register-only loop, in processor time. Takes about 0.05 s.
double measure_peak_flops(ThreadPool& pool);

}  // namespace sln::cpu
