// The activations of kernels/math by their name.
#pragma once

#include "kernels/conv.h"
#include "kernels/cuda/device_api.cuh"
#include "kernels/math/activation.h"

namespace sln::cuda {

__device__ __forceinline__ float activate(Activation activation, float value) {
  if (activation == Activation::kRelu) return relu(value);
  if (activation == Activation::kRelu6) return relu6(value);
  return value;
}

}  // namespace sln::cuda
