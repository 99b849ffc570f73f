// Softmax over up to 16 channels of a pixel, in registers:
//   e_c = exp(z_c - max z), p_c = e_c / sum e, the sum in channel order,
// in the operations and the order of kernels/cpu/semdist.cpp. A NaN makes the sum NaN, and with it every p.
//
// Channels that do not exist are 0: all loops over the values have a constant length, or they were no registers.
#pragma once

#include "kernels/cuda/device_api.cuh"
#include "kernels/cuda/quads.cuh"
#include "kernels/math/activation.h"

namespace sln::cuda {

constexpr int kMaxChannels = 16;

// quads: every pixel is aligned as a float4.
__device__ __forceinline__ void read_pixel(const float* from, int channels, bool quads, float (&values)[kMaxChannels]) {
  SLN_UNROLL(4)
  for (int c = 0; c < kMaxChannels; c += 4) {
    const float4 v = load_quad(from + c, channels - c, quads);
    values[c] = v.x, values[c + 1] = v.y, values[c + 2] = v.z, values[c + 3] = v.w;
  }
}

// Logits to probabilities, in place.
__device__ __forceinline__ void softmax(int channels, float (&values)[kMaxChannels]) {
  float largest = values[0];
  SLN_UNROLL(16)
  for (int c = 1; c < kMaxChannels; ++c) {
    if (c < channels) largest = largest > values[c] ? largest : values[c];
  }
  float sum = 0.0f;
  SLN_UNROLL(16)
  for (int c = 0; c < kMaxChannels; ++c) {
    if (c >= channels) continue;
    values[c] = sln::exp(values[c] - largest);
    sum += values[c];
  }
  SLN_UNROLL(16)
  for (int c = 0; c < kMaxChannels; ++c) {
    if (c < channels) values[c] = values[c] / sum;
  }
}

}  // namespace sln::cuda
