// Runs cases of ops (tests/cases) on the CPU.
#pragma once

#include <catch2/catch.hpp>
#include <cstdint>
#include <stdexcept>
#include <variant>

#include "kernels/cpu/parallel.h"
#include "kernels/isa.h"
#include "tests/cases/op_case.h"
#include "tests/support/op_spans.h"

namespace sln_test {

// Whether the CPU has the bits of the definition: without fused multiply-adds a chain rounds twice at each step.
inline bool has_fma() {
  return sln::cpu::isa() != sln::cpu::Isa::kSse4;
}

// Weights of an op in exactly the memory that they ask for; of an op without weights, nothing.
template <typename Op>
class PackedOnCpu {
 public:
  explicit PackedOnCpu(const Op& op) : op_(op), memory_(bytes(op) / sizeof(float)) {
    if constexpr (kHasWeights<Op>)
      op_.weights = sln::cpu::pack(op.desc, op.weights.weights, op.weights.bias, memory_.data());
    if (!memory_.intact()) throw std::runtime_error("memory outside of the packed weights was written");
  }
  const Op& op() const { return op_; }

 private:
  static size_t bytes(const Op& op) {
    if constexpr (kHasWeights<Op>) return sln::cpu::packed_bytes(op.desc);
    return 0;
  }
  Op op_;
  Guarded<float> memory_;
};

// Runs an op, with canonical weights, on its own memory. Throws where it writes outside of its scratch.
template <typename Op>
void run_on_cpu(const Op& op, sln::cpu::ThreadPool& pool) {
  const PackedOnCpu<Op> packed(op);
  Guarded<uint8_t> scratch(sln::cpu::scratch_bytes(op, pool.threads()), 0xFF);
  sln::cpu::run(packed.op(), scratch.data(), pool);
  if (!scratch.intact()) throw std::runtime_error("memory outside of the scratch was written");
}

// Calls body(op) for the cases with ordinary values, once the CPU has run it: what has a definition in double.
template <typename Op, typename Body>
void for_each_run(const Body& body) {
  sln::cpu::ThreadPool pool(1);
  for (const OpCase& c : cases_of<Op>().tested) {
    if (c.nasty) continue;
    INFO(c.name);
    const OpProblem problem = c.make();
    const Op& op = std::get<Op>(problem.op);
    run_on_cpu(op, pool);
    body(op);
  }
}

}  // namespace sln_test
