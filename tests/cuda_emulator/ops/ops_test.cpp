// Every op on CUDA, over all of its cases, against the CPU with fused multiply-adds: every byte, in different orders of
// threads, with every buffer alone and with all in one block.
#include <catch2/catch.hpp>
#include <variant>

#include "emulator/control.h"
#include "tests/naive/ops.h"
#include "tests/support/op_on_cpu.h"
#include "tests/support/op_on_cuda.h"

namespace sln_test {
namespace {

// What the CPU writes; without fused multiply-adds, what the definition says.
template <typename Op>
Written expected_of(const Op& op) {
  return written_on_copies(op, [](const Op& copy) {
    sln::cpu::ThreadPool pool(1);
    if (has_fma()) return run_on_cpu(copy, pool);
    sln_naive::run(copy);
  });
}

}  // namespace

TEMPLATE_LIST_TEST_CASE("CUDA's bytes are the CPU's", "", sln::Op) {
  using Op = TestType;
  for (const OpCase& c : cases_of<Op>().tested) {
    INFO(c.name);
    const OpProblem problem = c.make();
    const Op& op = std::get<Op>(problem.op);
    const Written expected = expected_of(op);
    const PackedOnDevice<Op> packed(op);
    for (const char* order : {"up", "down", "7"}) {
      for (const bool guarded : {true, false}) {
        CAPTURE(order, guarded);
        emulator::set_order(order);
        const Written found = written_on_copies(
            packed.op(), [&](const Op& copy) { CHECK((guarded ? run_on_cuda(copy) : run_packed_on_cuda(copy)) == 0); });
        CHECK(difference(found, expected) == "");
      }
    }
  }
  emulator::set_order("");
}

}  // namespace sln_test
