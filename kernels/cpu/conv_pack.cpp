// Weights from canonical OIHW into panels of (depth, channels).
#include <algorithm>
#include <new>
#include <stdexcept>
#include <string>

#include "kernels/cpu/conv_internal.h"

namespace sln::cpu {
namespace {

constexpr std::align_val_t kCacheLine{64};

void require(bool holds, const char* what) {
  if (!holds) throw std::invalid_argument(std::string("pack_conv: ") + what);
}

void check(const ConvDesc& desc, const float* weights) {
  require(weights != nullptr, "weights are null");
  require(desc.in_channels > 0, "in_channels must be positive");
  require(desc.out_channels > 0, "out_channels must be positive");
  require(desc.kernel > 0 && desc.kernel <= 1024, "kernel must be in 1..1024");
  require(desc.stride > 0, "stride must be positive");
  require(desc.pad >= 0, "pad must not be negative");
  require(desc.dilation > 0, "dilation must be positive");
}

}  // namespace

AlignedFloats allocate_zeros(int64_t floats) {
  AlignedFloats memory(static_cast<float*>(::operator new(static_cast<size_t>(floats) * sizeof(float), kCacheLine)));
  std::fill_n(memory.get(), floats, 0.0f);
  return memory;
}

void AlignedDelete::operator()(float* p) const {
  ::operator delete(p, kCacheLine);
}

size_t PackedConvCpu::bytes() const {
  const int64_t bias_floats = bias ? static_cast<int64_t>(panels.count) * panels.width() : 0;
  return static_cast<size_t>(panels.floats() + bias_floats) * sizeof(float);
}

std::unique_ptr<PackedConv> pack_conv_for(Isa isa, const ConvDesc& desc, const float* weights, const float* bias) {
  check(desc, weights);
  auto packed = std::make_unique<PackedConvCpu>();
  packed->isa = isa;
  packed->desc = desc;
  ConvPanels& panels = packed->panels;
  panels.lanes = conv_lanes(isa);
  panels.count = (desc.out_channels + panels.width() - 1) / panels.width();
  const int last_channels = desc.out_channels - (panels.count - 1) * panels.width();
  const int slim = std::min(panels.lanes, 8);
  panels.last_width = last_channels <= slim ? slim : last_channels <= panels.lanes ? panels.lanes : panels.width();
  const int taps = desc.kernel * desc.kernel;
  panels.depth = static_cast<int64_t>(taps) * desc.in_channels;

  packed->weights = allocate_zeros(panels.floats());
  for (int o = 0; o < desc.out_channels; ++o) {
    const int panel = o / panels.width();
    const int width = panel == panels.count - 1 ? panels.last_width : panels.width();
    float* column = packed->weights.get() + panels.offset(panel) + o % panels.width();
    const float* from = weights + o * panels.depth;
    for (int tap = 0; tap < taps; ++tap) {
      for (int c = 0; c < desc.in_channels; ++c, column += width) *column = from[static_cast<int64_t>(c) * taps + tap];
    }
  }
  if (bias != nullptr) {
    packed->bias = allocate_zeros(static_cast<int64_t>(panels.count) * panels.width());
    std::copy_n(bias, desc.out_channels, packed->bias.get());
  }
  return packed;
}

std::unique_ptr<PackedConv> pack_conv(const ConvDesc& desc, const float* weights, const float* bias) {
  return pack_conv_for(isa(), desc, weights, bias);
}

}  // namespace sln::cpu
