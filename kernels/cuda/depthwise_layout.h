// How the weights of a depthwise convolution lie on the device: (kernel, kernel, ceil16(channels)), then the bias,
// ceil16(channels); channels that do not exist are 0.
#pragma once

#include <cstdint>

namespace sln::cuda {

constexpr int32_t kDepthwiseLayout = 96;  // PackedWeights::layout; the convolutions' are below

}  // namespace sln::cuda
