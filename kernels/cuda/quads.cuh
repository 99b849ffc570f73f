// Four channels at a time of maps whose pixels need not be aligned, and need not have four more channels.
#pragma once

#include <cmath>
#include <cstdint>

#include "kernels/cuda/device_api.cuh"

namespace sln::cuda {

// True where channel 4k of every pixel is aligned as a float4. stride: floats from pixel to pixel.
__device__ __forceinline__ bool has_quads(const float* map, int stride) {
  return (reinterpret_cast<uintptr_t>(map) | static_cast<uintptr_t>(stride) * sizeof(float)) % sizeof(float4) == 0;
}

__device__ __forceinline__ float4 all_of(float value) {
  return make_float4(value, value, value, value);
}

// Reads at most `left` floats, the rest of the quad is 0. quads: `from` is aligned as a float4.
__device__ __forceinline__ float4 load_quad(const float* from, int left, bool quads) {
  float4 v = all_of(0.0f);
  if (left >= 4 && quads) {
    v = vec<float4>(from)[0];
  } else {
    if (left > 0) v.x = from[0];
    if (left > 1) v.y = from[1];
    if (left > 2) v.z = from[2];
    if (left > 3) v.w = from[3];
  }
  return v;
}

// Writes at most `left` floats.
__device__ __forceinline__ void store_quad(float* to, const float4& v, int left, bool quads) {
  if (left >= 4 && quads) {
    vec<float4>(to)[0] = v;
  } else {
    if (left > 0) to[0] = v.x;
    if (left > 1) to[1] = v.y;
    if (left > 2) to[2] = v.z;
    if (left > 3) to[3] = v.w;
  }
}

// What is done to each of the four.
__device__ __forceinline__ float4 fma_quad(const float4& a, const float4& b, const float4& c) {
  return make_float4(std::fmaf(a.x, b.x, c.x), std::fmaf(a.y, b.y, c.y), std::fmaf(a.z, b.z, c.z),
                     std::fmaf(a.w, b.w, c.w));
}
__device__ __forceinline__ float4 add_quad(const float4& a, const float4& b) {
  return make_float4(a.x + b.x, a.y + b.y, a.z + b.z, a.w + b.w);
}

}  // namespace sln::cuda
