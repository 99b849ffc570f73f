// Weights from canonical OIHW into the panels of conv_panels.h.
#include <algorithm>

#include "kernels/cuda/checks.h"
#include "kernels/cuda/conv_panels.h"
#include "kernels/cuda/ops.h"

namespace sln::cuda {
namespace {

int64_t ceil_to(int64_t value, int64_t unit) {
  return (value + unit - 1) / unit * unit;
}

void check(bool holds, const char* what) {
  require(holds, "pack", what);
}

}  // namespace

ConvPanels conv_panels(const ConvDesc& desc) {
  const char* const fault = fault_of(desc);
  check(fault == nullptr, fault);
  ConvPanels panels;
  // The wider panel reads the map half as often. It is taken where it computes no more channels than the other.
  panels.width = ceil_to(desc.out_channels, 64) % 128 == 0 ? 128 : 64;
  panels.count = static_cast<int>(ceil_to(desc.out_channels, panels.width) / panels.width);
  panels.depth = ceil_to(int64_t{desc.kernel} * desc.kernel * ceil_to(desc.in_channels, 4), kConvDepth);
  check(bounded_product(panels.depth, panels.channels()) <= kMaxElements,
        "there are more than 2147482624 weights, the limit of 32-bit offsets");
  return panels;
}

size_t packed_bytes(const ConvDesc& desc) {
  return conv_panels(desc).bytes();
}

PackedWeights pack(const ConvDesc& desc, const float* weights, const float* bias, void* host, void* device) {
  check(weights != nullptr && host != nullptr && device != nullptr, "weights or their place is null");
  const ConvPanels panels = conv_panels(desc);
  auto* const floats = static_cast<float*>(host);
  std::fill_n(floats, panels.floats(), -0.0f);
  const int64_t taps = int64_t{desc.kernel} * desc.kernel;
  const int64_t tap_channels = ceil_to(desc.in_channels, 4);
  for (int o = 0; o < desc.out_channels; ++o) {
    float* const column = floats + o / panels.width * panels.depth * panels.width + o % panels.width;
    const float* const from = weights + o * taps * desc.in_channels;
    for (int64_t tap = 0; tap < taps; ++tap) {
      for (int c = 0; c < desc.in_channels; ++c) {
        column[(tap * tap_channels + c) * panels.width] = from[c * taps + tap];
      }
    }
  }
  float* const packed_bias = floats + panels.floats();
  std::fill_n(packed_bias, panels.channels(), 0.0f);
  if (bias != nullptr) std::copy_n(bias, desc.out_channels, packed_bias);
  const auto* const packed = static_cast<const float*>(device);
  return {packed, bias != nullptr ? packed + panels.floats() : nullptr, panels.bytes(), panels.layout()};
}

}  // namespace sln::cuda
