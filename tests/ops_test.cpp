// Every op on the CPU, over its table of cases, against its definition (tests/naive/ops.h): the same bytes, whatever
// the number of threads, and nothing else written. Without fused multiply-adds the bytes differ: there the tests of the
// single ops hold it against a definition in double, and here only the threads are compared.
#include <catch2/catch.hpp>
#include <set>
#include <string>
#include <variant>

#include "kernels/isa.h"
#include "tests/cases/on_cpu.h"
#include "tests/cases/op_case.h"

namespace sln_test {
namespace {

// The case's memory after the op has run with so many threads.
std::shared_ptr<CaseMemory> after(const CaseRow& row, int threads) {
  const OpCase made = row.make();
  sln::cpu::ThreadPool pool(threads);
  run_on_cpu(packed_for_cpu(made), pool);
  return made.memory;
}

std::shared_ptr<CaseMemory> after_naive(const CaseRow& row) {
  const OpCase made = row.make();
  run_naive(made);
  return made.memory;
}

}  // namespace

TEST_CASE("every op has cases that are tested and cases that are timed, each with a name of its own") {
  std::set<std::string> names;
  size_t op = 0;
  for (const auto table :
       {resize_cases, canvas_from_planes_cases, conv_cases, depthwise_cases, pool_cases, upsample_sum_cases,
        softmax_cases, proposals_cases, roi_align_cases, refine_cases, mask_planes_cases}) {
    for (const Purpose purpose : {Purpose::kTest, Purpose::kTime}) {
      const std::vector<CaseRow> rows = table(purpose);
      REQUIRE(!rows.empty());
      CHECK(rows.front().make().op.index() == op);
      for (const CaseRow& row : rows) names.insert(row.name);
    }
    ++op;
  }
  CHECK(op == std::variant_size_v<sln::Op>);
  CHECK(names.size() > 500);
}

TEST_CASE("every op on the CPU is its definition") {
  const bool exact = sln::cpu::isa() != sln::cpu::Isa::kSse4;
  for (const CaseRow& row : all_cases(Purpose::kTest)) {
    CAPTURE(row.name);
    std::string where;
    const auto one = after(row, 1);
    if (exact && !CaseMemory::equal(*one, *after_naive(row), where)) FAIL_CHECK("not the definition: " << where);
    for (const int threads : {2, 3})
      if (!CaseMemory::equal(*one, *after(row, threads), where))
        FAIL_CHECK("not with " << threads << " threads: " << where);
  }
}

}  // namespace sln_test
