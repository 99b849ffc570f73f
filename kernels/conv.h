// Convolution, NHWC float32, as one descriptor that every provider implements.
//
// Definition (docs/numerics.md): each output is one fmaf chain starting from +0 over the window's (row r, column s,
// channel c) in this order, taps outside of the map reading 0; then + bias, + residual, activation. With FMA hardware
// the result is therefore the same bit for bit on every instruction set, every device and for every number of threads.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/buffers.h"

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

// Weights repacked for one device and instruction set, in memory that belongs to whoever had them packed.
struct PackedWeights {
  const float* weights = nullptr;  // 64-byte aligned; the layout is the packer's
  const float* bias = nullptr;     // likewise; null: none is added
  size_t bytes = 0;                // of both: what was packed for another shape is refused, not read
  int32_t layout = 0;              // by which the packer knows its own; 0: never packed
};

struct ConvOp {
  ConvDesc desc;
  const float* src = nullptr;  // (N, in_h, in_w, src_stride), the first in_channels of each pixel are read
  Items batch;                 // N; none is valid and does nothing
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
  PackedWeights weights;
};

template <typename Visit>
void each_buffer(ConvOp& op, const Visit& visit) {
  const int64_t out_pixels = int64_t{op.out_h} * op.out_w;
  visit_used(op.batch, visit);
  visit(op.src, Rows{op.batch, int64_t{op.in_h} * op.in_w, op.desc.in_channels, op.src_stride});
  if (op.residual != nullptr) visit(op.residual, Rows{op.batch, out_pixels, op.desc.out_channels, op.residual_stride});
  visit(op.dst, Rows{op.batch, out_pixels, ceil16(op.desc.out_channels), op.dst_stride});
}

// What no device can pack or run: says what is wrong, or null. What is wrong with packed weights is the packer's to
// say.
inline const char* fault_of(const ConvDesc& desc) {
  if (desc.in_channels <= 0) return "in_channels must be positive";
  if (desc.out_channels <= 0) return "out_channels must be positive";
  if (desc.kernel <= 0 || desc.kernel > 1024) return "kernel must be in 1..1024";
  if (desc.stride <= 0) return "stride must be positive";
  if (desc.pad < 0) return "pad must not be negative";
  if (desc.dilation <= 0) return "dilation must be positive";
  return nullptr;
}
inline const char* fault_of(const ConvOp& op) {
  if (op.src == nullptr || op.dst == nullptr) return "src or dst is null";
  if (op.in_h <= 0 || op.in_w <= 0 || op.out_h <= 0 || op.out_w <= 0) return "map without pixels";
  if (op.src_stride < op.desc.in_channels) return "src_stride is below in_channels";
  if (op.dst_stride < ceil16(op.desc.out_channels)) return "dst_stride is below ceil16(out_channels)";
  if (op.residual != nullptr && op.residual_stride < op.desc.out_channels)
    return "residual_stride is below out_channels";
  return fault_of(op.desc);
}

// Multiply-accumulates.
inline int64_t macs_per_item(const ConvOp& op) {
  const ConvDesc& desc = op.desc;
  return int64_t{desc.in_channels} * desc.out_channels * desc.kernel * desc.kernel * op.out_h * op.out_w;
}

namespace cpu {

// Bytes that pack() writes, bias included.
size_t packed_bytes(const ConvDesc& desc);

// weights: canonical OIHW (out, in, kernel, kernel); bias: out floats or null (then 0 is added nowhere); to:
// packed_bytes(desc), 64-byte aligned. Throws std::invalid_argument where desc is none.
PackedWeights pack(const ConvDesc& desc, const float* weights, const float* bias, void* to);

// Runs the direct plan. Allocates nothing.
void run(const ConvOp& op, void* scratch, ThreadPool& pool);

}  // namespace cpu
}  // namespace sln
