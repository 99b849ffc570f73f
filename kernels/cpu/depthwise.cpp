// Packing of the depthwise convolution's weights and its partition over threads.
#include "kernels/depthwise.h"

#include <algorithm>
#include <stdexcept>
#include <string>

#include "kernels/cpu/depthwise_internal.h"
#include "kernels/cpu/parallel.h"

namespace sln::cpu {
namespace {

void require(bool holds, const char* what) {
  if (!holds) throw std::invalid_argument(std::string("depthwise: ") + what);
}

void check(const DepthwiseOp& op) {
  require(op.weights.weights != nullptr && op.weights.layout == kDepthwiseLayout,
          "weights were not packed by cpu::pack");
  require(op.weights.bytes == packed_bytes(op.desc), "weights were packed for another shape");
  const char* const fault = fault_of(op);
  require(fault == nullptr, fault);
}

}  // namespace

size_t packed_bytes(const DepthwiseDesc& desc) {
  const char* const fault = fault_of(desc);
  require(fault == nullptr, fault);
  const size_t rows = static_cast<size_t>(desc.kernel) * static_cast<size_t>(desc.kernel) + 2;
  return rows * static_cast<size_t>(ceil16(desc.channels)) * sizeof(float);
}

PackedWeights pack(const DepthwiseDesc& desc, const float* weights, const float* bias, void* to) {
  require(weights != nullptr && to != nullptr, "weights or their place is null");
  auto* const floats = static_cast<float*>(to);
  std::fill_n(floats, packed_bytes(desc) / sizeof(float), 0.0f);
  const int padded = ceil16(desc.channels);
  const int taps = desc.kernel * desc.kernel;
  for (int c = 0; c < desc.channels; ++c)
    for (int tap = 0; tap < taps; ++tap) floats[tap * padded + c] = weights[c * taps + tap];
  float* const packed_bias = floats + (taps + 1) * padded;
  if (bias != nullptr) std::copy_n(bias, desc.channels, packed_bias);
  return {floats, bias != nullptr ? packed_bias : nullptr, packed_bytes(desc), kDepthwiseLayout};
}

void depthwise_for(Isa isa, const DepthwiseOp& op, ThreadPool& pool) {
  check(op);
  DepthwiseJob job;
  job.op = op;
  job.padded = ceil16(op.desc.channels);
  job.zeros = op.weights.weights + op.desc.kernel * op.desc.kernel * job.padded;
  const DepthwiseKernel kernel = depthwise_kernel(isa, op.desc);
  pool.parallel_for(op.out_h, [&](int64_t begin, int64_t end, int) { kernel(job, begin, end); });
}

void run(const DepthwiseOp& op, void* /*scratch*/, ThreadPool& pool) {
  depthwise_for(isa(), op, pool);
}

}  // namespace sln::cpu
