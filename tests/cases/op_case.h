// Ops that every device is tested with, and timed with: a table of rows per op, in tests/cases/<op>_cases.cpp.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <type_traits>
#include <variant>
#include <vector>

#include "engine/op.h"
#include "tests/cases/memory.h"

namespace sln_test {

// An op and its buffers, on the host: what it reads is filled, what it writes is poisoned. A buffer ends with the last
// element of its last row. What an op must not use is NaN: floats behind the channels of a pixel, items not in use.
// `weights` of a convolution are canonical and not packed (layout 0): who runs it packs them, but for tests/naive.
struct OpProblem {
  sln::Op op;
  std::shared_ptr<Memory> memory;
};

struct OpCase {
  std::string name;
  bool nasty = false;               // NaN, infinities, zeros of both signs and numbers of extreme size among the values
  std::function<OpProblem()> make;  // the same bytes each time
};

struct OpCases {
  std::vector<OpCase> tested;
  std::vector<OpCase> timed;  // the networks' shapes; too large for tests
};

// One specialisation per op of sln::Op: an op without a table does not link.
template <typename T>
OpCases cases_of();

template <>
OpCases cases_of<sln::ResizeOp>();
template <>
OpCases cases_of<sln::CanvasFromPlanesOp>();
template <>
OpCases cases_of<sln::ConvOp>();
template <>
OpCases cases_of<sln::DepthwiseOp>();
template <>
OpCases cases_of<sln::PoolOp>();
template <>
OpCases cases_of<sln::UpsampleSumOp>();
template <>
OpCases cases_of<sln::SoftmaxOp>();
template <>
OpCases cases_of<sln::ProposalsOp>();
template <>
OpCases cases_of<sln::RoiAlignOp>();
template <>
OpCases cases_of<sln::RefineOp>();
template <>
OpCases cases_of<sln::MaskPlanesOp>();

template <typename Op>
constexpr bool kHasWeights = std::is_same_v<Op, sln::ConvOp> || std::is_same_v<Op, sln::DepthwiseOp>;

// Every row twice, with ordinary values and with nasty ones. make(row, nasty, seed) gives the problem, text(row) its
// name; the seed is the number of the case.
template <typename Row, typename Text, typename Make>
std::vector<OpCase> both(const std::vector<Row>& rows, const Text& text, const Make& make) {
  std::vector<OpCase> cases;
  for (const Row& row : rows) {
    for (const bool nasty : {false, true}) {
      const auto seed = static_cast<uint32_t>(cases.size());
      cases.push_back({text(row) + (nasty ? ", nasty" : ""), nasty, [=] { return make(row, nasty, seed); }});
    }
  }
  return cases;
}

// Rows with names, with ordinary values.
template <typename Row>
struct Named {
  const char* name;
  Row row;
};
template <typename Row, typename Make>
std::vector<OpCase> timed(const std::vector<Named<Row>>& rows, const Make& make) {
  std::vector<OpCase> cases;
  for (const Named<Row>& named : rows) {
    const Row row = named.row;
    cases.push_back({named.name, false, [=] { return make(row, false, 1); }});
  }
  return cases;
}

}  // namespace sln_test
