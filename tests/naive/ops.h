// Every op as it is defined: one loop after the other, floats, the scalar maths of kernels/math, in the order that the
// op's header states. What every device must equal in every byte where it has fused multiply-adds (any NaN for any
// NaN). Slow.
#pragma once

#include "engine/op.h"

namespace sln::naive {

// weights, bias: canonical, of an op that has weights; bias may be null. The op's packed weights are not looked at.
void run(const ResizeOp& op, const float* weights, const float* bias);
void run(const CanvasFromPlanesOp& op, const float* weights, const float* bias);
void run(const ConvOp& op, const float* weights, const float* bias);
void run(const DepthwiseOp& op, const float* weights, const float* bias);
void run(const PoolOp& op, const float* weights, const float* bias);
void run(const UpsampleSumOp& op, const float* weights, const float* bias);
void run(const SoftmaxOp& op, const float* weights, const float* bias);
void run(const ProposalsOp& op, const float* weights, const float* bias);
void run(const RoiAlignOp& op, const float* weights, const float* bias);
void run(const RefineOp& op, const float* weights, const float* bias);
void run(const MaskPlanesOp& op, const float* weights, const float* bias);

}  // namespace sln::naive
