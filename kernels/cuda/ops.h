// The ops on CUDA, one file each. Needs no CUDA header: a stream is named as CUDA's own headers name it.
//
// scratch_bytes() and run() throw std::invalid_argument where the op cannot be (a map past 32-bit offsets, more boxes
// than a block has room for; run(): a null pointer, weights of another shape). run() returns what the launch returned,
// a cudaError_t: 0 where it was accepted. It enqueues and does not wait.
#pragma once

#include <cstddef>

#include "kernels/conv.h"
#include "kernels/depthwise.h"
#include "kernels/mask_planes.h"
#include "kernels/planes.h"
#include "kernels/pool.h"
#include "kernels/proposals.h"
#include "kernels/resize.h"
#include "kernels/roi_align.h"
#include "kernels/semdist.h"
#include "kernels/upsample_sum.h"

struct CUstream_st;

namespace sln::cuda {

using Stream = CUstream_st*;

// Bytes of the packed weights, bias included. Throws std::invalid_argument where desc is none.
size_t packed_bytes(const ConvDesc& desc);
size_t packed_bytes(const DepthwiseDesc& desc);
// Packs into `host` (packed_bytes(desc)) what is to be copied to `device`, 64-byte aligned, to which the result points.
// weights: canonical OIHW; bias: out floats or null.
PackedWeights pack(const ConvDesc& desc, const float* weights, const float* bias, void* host, void* device);
PackedWeights pack(const DepthwiseDesc& desc, const float* weights, const float* bias, void* host, void* device);

// Bytes of device memory, 64-byte aligned, that run() needs beside the op's buffers; the same for every image.
size_t scratch_bytes(const ResizeOp& op);
size_t scratch_bytes(const CanvasFromPlanesOp& op);
size_t scratch_bytes(const ConvOp& op);
size_t scratch_bytes(const DepthwiseOp& op);
size_t scratch_bytes(const PoolOp& op);
size_t scratch_bytes(const UpsampleSumOp& op);
size_t scratch_bytes(const SoftmaxOp& op);
size_t scratch_bytes(const ProposalsOp& op);
size_t scratch_bytes(const RoiAlignOp& op);
size_t scratch_bytes(const RefineOp& op);
size_t scratch_bytes(const MaskPlanesOp& op);

// A photo's pixels and a canvas' planes lie on the host and go up in pieces; they are free when run() returns.
constexpr size_t kUploadBytes = 1 << 20;  // of a piece
int run(const ResizeOp& op, void* scratch, Stream stream);
int run(const CanvasFromPlanesOp& op, void* scratch, Stream stream);
int run(const ConvOp& op, void* scratch, Stream stream);
int run(const DepthwiseOp& op, void* scratch, Stream stream);
int run(const PoolOp& op, void* scratch, Stream stream);
int run(const UpsampleSumOp& op, void* scratch, Stream stream);
int run(const SoftmaxOp& op, void* scratch, Stream stream);
int run(const ProposalsOp& op, void* scratch, Stream stream);
int run(const RoiAlignOp& op, void* scratch, Stream stream);
int run(const RefineOp& op, void* scratch, Stream stream);
int run(const MaskPlanesOp& op, void* scratch, Stream stream);

}  // namespace sln::cuda
