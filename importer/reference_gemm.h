// The one inner loop of the reference evaluator that has to be fast: a blocked matrix product in double.
#pragma once

#include <cstdint>

namespace sln::importer {

constexpr int kPanelRows = 8;      // output channels of a panel of A
constexpr int kPanelColumns = 24;  // pixels of a panel of B

// c (kPanelRows, kPanelColumns, row stride c_stride) += a (depth, kPanelRows) transposed * b (depth, kPanelColumns).
using GemmPanel = void (*)(const double* a, const double* b, int64_t depth, double* c, int64_t c_stride);

// The fastest form that this machine can run.
GemmPanel gemm_panel();

}  // namespace sln::importer
