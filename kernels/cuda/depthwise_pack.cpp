// Weights from canonical (channels, 1, kernel, kernel) into the layout of depthwise_layout.h.
#include <algorithm>

#include "kernels/cuda/checks.h"
#include "kernels/cuda/depthwise_layout.h"
#include "kernels/cuda/ops.h"

namespace sln::cuda {
namespace {

void check(bool holds, const char* what) {
  require(holds, "pack", what);
}

}  // namespace

size_t packed_bytes(const DepthwiseDesc& desc) {
  const char* const fault = fault_of(desc);
  check(fault == nullptr, fault);
  check_channels(desc.channels, "pack");
  const int64_t floats = (int64_t{desc.kernel} * desc.kernel + 1) * ceil16(desc.channels);
  check(floats <= kMaxElements, "there are more than 2147482624 weights, the limit of 32-bit offsets");
  return static_cast<size_t>(floats) * sizeof(float);
}

PackedWeights pack(const DepthwiseDesc& desc, const float* weights, const float* bias, void* host, void* device) {
  check(weights != nullptr && host != nullptr && device != nullptr, "weights or their place is null");
  const size_t bytes = packed_bytes(desc);
  auto* const floats = static_cast<float*>(host);
  std::fill_n(floats, bytes / sizeof(float), 0.0f);
  const int64_t taps = int64_t{desc.kernel} * desc.kernel;
  const int64_t padded = ceil16(desc.channels);
  for (int64_t c = 0; c < desc.channels; ++c)
    for (int64_t tap = 0; tap < taps; ++tap) floats[tap * padded + c] = weights[c * taps + tap];
  if (bias != nullptr) std::copy_n(bias, desc.channels, floats + taps * padded);
  const auto* const packed = static_cast<const float*>(device);
  return {packed, bias != nullptr ? packed + taps * padded : nullptr, bytes, kDepthwiseLayout};
}

}  // namespace sln::cuda
