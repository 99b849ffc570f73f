// Everything that a device computes for the network: the structs of kernels/<op>.h, and nothing else. A device that
// lacks one does not compile.
#pragma once

#include <type_traits>
#include <variant>

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

namespace sln {

using Op = std::variant<ResizeOp, CanvasFromPlanesOp, ConvOp, DepthwiseOp, PoolOp, UpsampleSumOp, SoftmaxOp,
                        ProposalsOp, RoiAlignOp, RefineOp, MaskPlanesOp>;
static_assert(std::is_trivially_copyable_v<Op>, "an op is copied into a queue, and to a device, as bytes");

}  // namespace sln
