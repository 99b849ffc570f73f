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

void check(const DepthwiseDesc& desc) {
  require(desc.channels > 0, "channels must be positive");
  require(desc.kernel == 3 || desc.kernel == 5, "kernel must be 3 or 5");
  require(desc.stride == 1 || desc.stride == 2, "stride must be 1 or 2");
  require(desc.pad >= 0 && desc.pad < desc.kernel, "pad must be in 0..kernel-1");
}

const PackedDepthwiseCpu& check(const DepthwiseDesc& desc, const DepthwiseParams& params) {
  const auto* packed = dynamic_cast<const PackedDepthwiseCpu*>(params.weights);
  require(packed != nullptr, "weights were not packed by cpu::pack_depthwise");
  require(desc.channels == packed->desc.channels && desc.kernel == packed->desc.kernel,
          "weights were packed for another shape");
  require(params.src != nullptr && params.dst != nullptr, "src or dst is null");
  require(params.in_h > 0 && params.in_w > 0 && params.out_h > 0 && params.out_w > 0, "map without pixels");
  require(params.src_stride >= packed->padded, "src_stride is below ceil16(channels)");
  require(params.dst_stride >= packed->padded, "dst_stride is below ceil16(channels)");
  return *packed;
}

}  // namespace

size_t PackedDepthwiseCpu::bytes() const {
  const int rows = desc.kernel * desc.kernel + (bias ? 1 : 0) + 1;
  return static_cast<size_t>(rows) * static_cast<size_t>(padded) * sizeof(float);
}

std::unique_ptr<PackedDepthwise> pack_depthwise(const DepthwiseDesc& desc, const float* weights, const float* bias) {
  check(desc);
  require(weights != nullptr, "weights are null");
  auto packed = std::make_unique<PackedDepthwiseCpu>();
  packed->desc = desc;
  packed->padded = (desc.channels + 15) / 16 * 16;
  const int taps = desc.kernel * desc.kernel;
  packed->weights = allocate_zeros(static_cast<int64_t>(taps) * packed->padded);
  for (int c = 0; c < desc.channels; ++c)
    for (int tap = 0; tap < taps; ++tap) packed->weights[tap * packed->padded + c] = weights[c * taps + tap];
  packed->zeros = allocate_zeros(packed->padded);
  if (bias != nullptr) {
    packed->bias = allocate_zeros(packed->padded);
    std::copy_n(bias, desc.channels, packed->bias.get());
  }
  return packed;
}

void depthwise_for(Isa isa, const DepthwiseDesc& desc, const DepthwiseParams& params, ThreadPool& pool) {
  check(desc);
  const PackedDepthwiseCpu& packed = check(desc, params);
  DepthwiseJob job;
  job.desc = desc;
  job.params = params;
  job.padded = packed.padded;
  job.weights = packed.weights.get();
  job.bias = packed.bias.get();
  job.zeros = packed.zeros.get();
  const DepthwiseKernel kernel = depthwise_kernel(isa, desc);
  pool.parallel_for(params.out_h, [&](int64_t begin, int64_t end, int) { kernel(job, begin, end); });
}

void depthwise(const DepthwiseDesc& desc, const DepthwiseParams& params, ThreadPool& pool) {
  depthwise_for(isa(), desc, params, pool);
}

}  // namespace sln::cpu
