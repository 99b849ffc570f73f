// How the weights of a convolution lie on the device: what packing and launching share.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/conv.h"

namespace sln::cuda {

constexpr int kConvDepth = 8;        // floats of the window that a block multiplies at a time
constexpr int32_t kConvLayout = 64;  // PackedWeights::layout is this + width / 64; the CPU's are below

// Output channels are cut into panels, each (depth, width): what a block multiplies at a time is one piece of memory.
// The depth is the window in the order (row, column, channel), each tap's channels rounded up to four and the whole
// up to kConvDepth. Then follows the bias, (count * width), with 0 after the last channel.
//
// Where no channel is, the kernel reads 0 from the map and the weight is -0: fmaf(0, -0, sum) is the sum whatever it
// is. With a weight of +0, a sum of -0 would become +0.
struct ConvPanels {
  int width = 0;      // output channels of a panel: 64 or 128
  int count = 0;      // panels
  int64_t depth = 0;  // a multiple of kConvDepth

  int32_t layout() const { return kConvLayout + width / 64; }
  int64_t channels() const { return int64_t{count} * width; }
  int64_t floats() const { return depth * channels(); }  // without the bias
  size_t bytes() const { return static_cast<size_t>(floats() + channels()) * sizeof(float); }
};

// Throws std::invalid_argument where desc is none, or its weights are too many for 32-bit offsets.
ConvPanels conv_panels(const ConvDesc& desc);

}  // namespace sln::cuda
