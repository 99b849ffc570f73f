// Weights from canonical OIHW into panels of (depth, channels).
#include <algorithm>
#include <stdexcept>
#include <string>

#include "kernels/cpu/conv_internal.h"

namespace sln::cpu {
namespace {

void require(bool holds, const char* what) {
  if (!holds) throw std::invalid_argument(std::string("pack: ") + what);
}

void check(const ConvDesc& desc) {
  const char* const fault = fault_of(desc);
  require(fault == nullptr, fault);
}

// Up to where the bias begins, a multiple of 64 bytes.
int64_t panel_floats(const ConvPanels& panels) {
  return (panels.floats() + 15) / 16 * 16;
}

}  // namespace

ConvPanels conv_panels(const ConvDesc& desc, int lanes) {
  ConvPanels panels;
  panels.lanes = lanes;
  panels.count = (desc.out_channels + panels.width() - 1) / panels.width();
  const int last_channels = desc.out_channels - (panels.count - 1) * panels.width();
  const int slim = std::min(lanes, 8);
  panels.last_width = last_channels <= slim ? slim : last_channels <= lanes ? lanes : panels.width();
  panels.depth = int64_t{desc.kernel} * desc.kernel * desc.in_channels;
  return panels;
}

size_t packed_bytes_for(Isa isa, const ConvDesc& desc) {
  check(desc);
  const ConvPanels panels = conv_panels(desc, conv_lanes(isa));
  return static_cast<size_t>(panel_floats(panels) + int64_t{panels.count} * panels.width()) * sizeof(float);
}

PackedWeights pack_for(Isa isa, const ConvDesc& desc, const float* weights, const float* bias, void* to) {
  require(weights != nullptr && to != nullptr, "weights or their place is null");
  auto* const floats = static_cast<float*>(to);
  std::fill_n(floats, packed_bytes_for(isa, desc) / sizeof(float), 0.0f);
  const ConvPanels panels = conv_panels(desc, conv_lanes(isa));
  const int taps = desc.kernel * desc.kernel;
  for (int o = 0; o < desc.out_channels; ++o) {
    const int panel = o / panels.width();
    const int width = panel == panels.count - 1 ? panels.last_width : panels.width();
    float* column = floats + panels.offset(panel) + o % panels.width();
    const float* from = weights + o * panels.depth;
    for (int tap = 0; tap < taps; ++tap) {
      for (int c = 0; c < desc.in_channels; ++c, column += width) *column = from[static_cast<int64_t>(c) * taps + tap];
    }
  }
  float* const packed_bias = floats + panel_floats(panels);
  if (bias != nullptr) std::copy_n(bias, desc.out_channels, packed_bias);
  return {floats, bias != nullptr ? packed_bias : nullptr, packed_bytes_for(isa, desc), layout_of(isa)};
}

size_t packed_bytes(const ConvDesc& desc) {
  return packed_bytes_for(isa(), desc);
}

PackedWeights pack(const ConvDesc& desc, const float* weights, const float* bias, void* to) {
  return pack_for(isa(), desc, weights, bias, to);
}

}  // namespace sln::cpu
