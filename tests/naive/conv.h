// The convolution's definition, spelled out: what every fast one must equal bit for bit where it has fused
// multiply-adds.
#pragma once

#include "kernels/conv.h"

namespace sln::naive {

// op.weights is not looked at. weights: OIHW; bias: out_channels floats or null.
void conv(const ConvOp& op, const float* weights, const float* bias);

// One output value, before nothing else than its own chain: (item, y, x, channel).
float conv_at(const ConvOp& op, const float* weights, const float* bias, int item, int y, int x, int channel);

}  // namespace sln::naive
