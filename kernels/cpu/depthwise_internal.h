// What the files of the CPU depthwise convolution share: the layout of packed weights and the work order of one thread.
#pragma once

#include "kernels/cpu/conv_internal.h"
#include "kernels/depthwise.h"
#include "kernels/isa.h"

namespace sln::cpu {

constexpr int kDepthwiseOutputs = 8;  // output pixels of a row that one pass computes: so many sums hide the latency

// Packed: weights (kernel, kernel, padded), then `padded` zeros, which a tap outside of the map reads, then the bias
// (padded); channels that do not exist are 0. The same on every instruction set.
constexpr int32_t kDepthwiseLayout = 16;

struct DepthwiseJob {
  DepthwiseOp op;
  int padded = 0;  // ceil16(channels)
  const float* zeros = nullptr;
};

// Computes the output rows [begin, end).
using DepthwiseKernel = void (*)(const DepthwiseJob& job, int64_t begin, int64_t end);
DepthwiseKernel depthwise_kernel(Isa isa, const DepthwiseDesc& desc);

// run() on an instruction set of the caller's choice (tests compare them within one process).
void depthwise_for(Isa isa, const DepthwiseOp& op, ThreadPool& pool);

}  // namespace sln::cpu
