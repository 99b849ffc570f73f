// Every op on the CPU, over all of its cases, against its definition (tests/naive): the same bytes with fused
// multiply-adds, and the same for every number of threads. It writes its rows and nothing else.
#include "tests/naive/ops.h"

#include <catch2/catch.hpp>

#include "tests/support/allocations.h"
#include "tests/support/op_on_cpu.h"

namespace sln_test {
namespace {

// What an op writes, run by `run` on memory that ends where its buffers do.
template <typename Op, typename Run>
Written written_on_heap(const Op& op, const Run& run) {
  return written_on_copies(op, [&](const Op& copy) {
    run_on_spans<OnHeap>(copy, [&](const Op& moved) {
      run(moved);
      return 0;
    });
  });
}

// Of an op whose weights are packed.
template <typename Op>
Written written_on_cpu(const Op& op, sln::cpu::ThreadPool& pool) {
  return written_on_heap(op, [&](const Op& moved) {
    Guarded<uint8_t> scratch(sln::cpu::scratch_bytes(moved, pool.threads()), 0xFF);
    const int64_t before = sln::test::allocation_count();
    sln::cpu::run(moved, scratch.data(), pool);
    CHECK(sln::test::allocation_count() == before);
    CHECK(scratch.intact());
  });
}

}  // namespace

TEMPLATE_LIST_TEST_CASE("the CPU's bytes are those of the definition", "", sln::Op) {
  using Op = TestType;
  sln::cpu::ThreadPool one(1), two(2), three(3);
  const OpCases cases = cases_of<Op>();
  CHECK(!cases.timed.empty());
  REQUIRE(!cases.tested.empty());
  for (const OpCase& c : cases.tested) {
    INFO(c.name);
    const OpProblem problem = c.make();
    const Op& op = std::get<Op>(problem.op);
    const PackedOnCpu<Op> packed(op);
    const Written found = written_on_cpu(packed.op(), one);
    for (sln::cpu::ThreadPool* const pool : {&two, &three})
      CHECK(difference(written_on_cpu(packed.op(), *pool), found) == "");
    if (!has_fma()) continue;
    const Written expected = written_on_heap(op, [](const Op& moved) { sln_naive::run(moved); });
    CHECK(difference(found, expected) == "");
  }
}

TEMPLATE_LIST_TEST_CASE("a case is the same each time", "", sln::Op) {
  const OpCase c = cases_of<TestType>().tested.back();
  const OpProblem a = c.make(), b = c.make();
  const auto run = [](const TestType& op) { sln_naive::run(op); };
  CHECK(difference(written_on_copies(std::get<TestType>(a.op), run),
                   written_on_copies(std::get<TestType>(b.op), run)) == "");
}

}  // namespace sln_test
