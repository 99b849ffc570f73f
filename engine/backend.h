// What a device must be able to do. The pipeline knows devices only through this; the structs are those of
// kernels/<op>.h.
#pragma once

#include <memory>
#include <string>

#include "kernels/conv.h"
#include "kernels/cpu/parallel.h"
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

class Backend {
 public:
  virtual ~Backend() = default;

  virtual const char* device() const = 0;  // "cpu"
  virtual const char* isa() const = 0;     // instruction set or architecture in use
  // Host threads, for stages that run on the host on every device (decode).
  virtual cpu::ThreadPool& host_pool() = 0;
  virtual double measure_peak_flops() = 0;

  virtual std::unique_ptr<PackedConv> pack_conv(const ConvDesc& desc, const float* weights, const float* bias) = 0;
  virtual std::unique_ptr<PackedDepthwise> pack_depthwise(const DepthwiseDesc& desc, const float* weights,
                                                          const float* bias) = 0;
  virtual size_t resize_workspace_bytes(int side) = 0;
  virtual size_t proposals_workspace_bytes(int total_anchors, int pre_nms) = 0;

  virtual void resize_to_canvas(const ResizeParams& params) = 0;
  virtual void canvas_from_planes(const CanvasPlanesParams& params) = 0;
  virtual void conv(const ConvDesc& desc, const ConvParams& params) = 0;
  virtual void depthwise(const DepthwiseDesc& desc, const DepthwiseParams& params) = 0;
  virtual void max_pool(const PoolParams& params) = 0;
  virtual void average_pool(const PoolParams& params) = 0;
  virtual void upsample_sum(const UpsampleSumParams& params) = 0;
  virtual void softmax(const SoftmaxParams& params) = 0;
  virtual void proposals(const ProposalParams& params) = 0;
  virtual void roi_align(const RoiAlignParams& params) = 0;
  virtual void refine_planes(const RefineParams& params) = 0;
  virtual void mask_planes(const MaskPlanesParams& params) = 0;
  // Number of proposals, for the host.
  virtual int read_count(const int32_t* count) = 0;
};

// threads: of the CPU. Throws Error(kUnsupported) where the machine lacks what SLN_ISA asks for.
std::unique_ptr<Backend> make_cpu_backend(int threads);

// Computes nothing and touches no memory; read_count() gives max_rois. For recording the arena's lifetimes. Sizes of
// workspaces are those of `real`.
std::unique_ptr<Backend> make_dry_backend(Backend& real, int max_rois);

// device: "auto" or "cpu".
std::unique_ptr<Backend> make_backend(const std::string& device, int threads);

}  // namespace sln
