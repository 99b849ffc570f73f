// Convolution, NHWC float32, as one descriptor that every provider implements.
//
// Definition (docs/numerics.md): each output is one fmaf chain starting from +0 over the window's (row r, column s,
// channel c) in this order, taps outside of the map reading 0; then + bias, + residual, activation. With FMA hardware
// the result is therefore the same bit for bit on every instruction set and for every number of threads.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

namespace sln {

enum class Activation : uint8_t { kNone, kRelu, kRelu6 };

// What is fixed once the weights are known.
struct ConvDesc {
  int in_channels = 0;   // channels read from every source pixel
  int out_channels = 0;  // channels computed; ceil16(out_channels) are written, the rest of them as 0
  int kernel = 1;        // side of the square window
  int stride = 1;        // step of the window, pixels
  int pad = 0;       // rows and columns of zeros before the map; what is needed after it follows from the output size
  int dilation = 1;  // distance of two taps, pixels
  Activation activation = Activation::kNone;
};

// Weights repacked for the instruction set at hand. Immutable, may be shared by threads.
class PackedConv {
 public:
  virtual ~PackedConv() = default;
  virtual size_t bytes() const = 0;  // memory held, for reports
};

struct ConvParams {
  const float* src = nullptr;  // (N, in_h, in_w, src_stride), the first in_channels of each pixel are read
  int batch = 0;               // N; 0 is valid and does nothing
  int in_h = 0;                // pixels
  int in_w = 0;                // pixels
  int src_stride = 0;          // floats from pixel to pixel, >= in_channels
  float* dst = nullptr;        // (N, out_h, out_w, dst_stride)
  int out_h = 0;               // pixels
  int out_w = 0;               // pixels
  int dst_stride = 0;          // floats from pixel to pixel, >= ceil16(out_channels)
  const float* residual =
      nullptr;              // (N, out_h, out_w, residual_stride) or null; added before the activation; may be dst
  int residual_stride = 0;  // floats
  const PackedConv* weights = nullptr;
};

namespace cpu {

class ThreadPool;

// weights: canonical OIHW (out, in, kernel, kernel); bias: out floats or null (then 0 is added nowhere).
std::unique_ptr<PackedConv> pack_conv(const ConvDesc& desc, const float* weights, const float* bias);

// Runs the direct plan. Allocates nothing.
void conv(const ConvDesc& desc, const ConvParams& params, ThreadPool& pool);

}  // namespace cpu
}  // namespace sln
