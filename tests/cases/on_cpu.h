// Runs a case on the CPU, or as it is defined.
#pragma once

#include <type_traits>
#include <variant>

#include "kernels/cpu/parallel.h"
#include "tests/cases/op_case.h"
#include "tests/naive/ops.h"

namespace sln_test {

template <typename Op>
constexpr bool kHasWeights = std::is_same_v<Op, sln::ConvOp> || std::is_same_v<Op, sln::DepthwiseOp>;

// The op with its weights packed for the CPU, in memory of the case.
inline sln::Op packed_for_cpu(const OpCase& c) {
  return std::visit(
      [&](auto op) -> sln::Op {
        if constexpr (kHasWeights<decltype(op)>) {
          const size_t bytes = sln::cpu::packed_bytes(op.desc);
          op.weights = sln::cpu::pack(op.desc, c.weights, c.bias, c.memory->bytes(static_cast<int64_t>(bytes)));
        }
        return op;
      },
      c.op);
}

inline void run_on_cpu(const sln::Op& op, sln::cpu::ThreadPool& pool) {
  std::visit(
      [&](const auto& one) {
        Guarded<uint8_t> scratch(sln::cpu::scratch_bytes(one, pool.threads()), 0xFF);
        sln::cpu::run(one, scratch.data(), pool);
      },
      op);
}

inline void run_naive(const OpCase& c) {
  std::visit([&](const auto& op) { sln::naive::run(op, c.weights, c.bias); }, c.op);
}

}  // namespace sln_test
