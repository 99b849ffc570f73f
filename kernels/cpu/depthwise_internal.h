// What the files of the CPU depthwise convolution share: the packed weights and the work order of one thread.
#pragma once

#include "kernels/cpu/conv_internal.h"
#include "kernels/depthwise.h"
#include "kernels/isa.h"

namespace sln::cpu {

constexpr int kDepthwiseOutputs = 8;  // output pixels of a row that one pass computes: so many sums hide the latency

class PackedDepthwiseCpu final : public PackedDepthwise {
 public:
  size_t bytes() const override;

  DepthwiseDesc desc;
  int padded = 0;         // ceil16(channels)
  AlignedFloats weights;  // (kernel, kernel, padded), zeros after the last channel
  AlignedFloats bias;     // (padded), zeros after the last channel; null: there is none
  AlignedFloats zeros;    // (padded), what a tap outside of the map reads
};

struct DepthwiseJob {
  DepthwiseDesc desc;
  DepthwiseParams params;
  int padded = 0;
  const float* weights = nullptr;
  const float* bias = nullptr;
  const float* zeros = nullptr;
};

// Computes the output rows [begin, end).
using DepthwiseKernel = void (*)(const DepthwiseJob& job, int64_t begin, int64_t end);
DepthwiseKernel depthwise_kernel(Isa isa, const DepthwiseDesc& desc);

// depthwise() on an instruction set of the caller's choice (tests compare them within one process).
void depthwise_for(Isa isa, const DepthwiseDesc& desc, const DepthwiseParams& params, ThreadPool& pool);

}  // namespace sln::cpu
