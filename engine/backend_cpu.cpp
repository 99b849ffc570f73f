#include "engine/backend.h"
#include "engine/error.h"
#include "kernels/isa.h"

namespace sln {
namespace {

class CpuBackend final : public Backend {
 public:
  explicit CpuBackend(int threads) : pool_(threads) {}

  const char* device() const override { return "cpu"; }
  const char* isa() const override { return cpu::isa_name(cpu::isa()); }
  cpu::ThreadPool& host_pool() override { return pool_; }
  double measure_peak_flops() override { return cpu::measure_peak_flops(pool_.threads()); }

  std::unique_ptr<PackedConv> pack_conv(const ConvDesc& desc, const float* weights, const float* bias) override {
    return cpu::pack_conv(desc, weights, bias);
  }
  std::unique_ptr<PackedDepthwise> pack_depthwise(const DepthwiseDesc& desc, const float* weights,
                                                  const float* bias) override {
    return cpu::pack_depthwise(desc, weights, bias);
  }
  size_t resize_workspace_bytes(int side) override { return cpu::resize_workspace_bytes(side, pool_.threads()); }
  size_t proposals_workspace_bytes(int total_anchors, int pre_nms) override {
    return cpu::proposals_workspace_bytes(total_anchors, pre_nms);
  }

  void resize_to_canvas(const ResizeParams& params) override { cpu::resize_to_canvas(params, pool_); }
  void canvas_from_planes(const CanvasPlanesParams& params) override { cpu::canvas_from_planes(params, pool_); }
  void conv(const ConvDesc& desc, const ConvParams& params) override { cpu::conv(desc, params, pool_); }
  void depthwise(const DepthwiseDesc& desc, const DepthwiseParams& params) override {
    cpu::depthwise(desc, params, pool_);
  }
  void max_pool(const PoolParams& params) override { cpu::max_pool(params, pool_); }
  void average_pool(const PoolParams& params) override { cpu::average_pool(params, pool_); }
  void upsample_sum(const UpsampleSumParams& params) override { cpu::upsample_sum(params, pool_); }
  void softmax(const SoftmaxParams& params) override { cpu::softmax(params, pool_); }
  void proposals(const ProposalParams& params) override { cpu::proposals(params, pool_); }
  void roi_align(const RoiAlignParams& params) override { cpu::roi_align(params, pool_); }
  void refine_planes(const RefineParams& params) override { cpu::refine_planes(params, pool_); }
  void mask_planes(const MaskPlanesParams& params) override { cpu::mask_planes(params, pool_); }
  int read_count(const int32_t* count) override { return *count; }

 private:
  cpu::ThreadPool pool_;
};

}  // namespace

std::unique_ptr<Backend> make_cpu_backend(int threads) {
  try {
    cpu::isa();
  } catch (const std::invalid_argument& error) {
    throw Error(ErrorKind::kUnsupported, error.what());
  }
  return std::make_unique<CpuBackend>(threads);
}

}  // namespace sln
