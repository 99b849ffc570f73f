#include "engine/backend.h"
#include "engine/error.h"

namespace sln {
namespace {

class DryBackend final : public Backend {
 public:
  DryBackend(Backend& real, int max_rois) : real_(real), max_rois_(max_rois) {}

  const char* device() const override { return "dry"; }
  const char* isa() const override { return ""; }
  cpu::ThreadPool& host_pool() override { return real_.host_pool(); }
  double measure_peak_flops() override { return 0; }
  std::unique_ptr<PackedConv> pack_conv(const ConvDesc&, const float*, const float*) override { return nullptr; }
  std::unique_ptr<PackedDepthwise> pack_depthwise(const DepthwiseDesc&, const float*, const float*) override {
    return nullptr;
  }
  size_t resize_workspace_bytes(int side) override { return real_.resize_workspace_bytes(side); }
  size_t proposals_workspace_bytes(int total_anchors, int pre_nms) override {
    return real_.proposals_workspace_bytes(total_anchors, pre_nms);
  }
  void resize_to_canvas(const ResizeParams&) override {}
  void canvas_from_planes(const CanvasPlanesParams&) override {}
  void conv(const ConvDesc&, const ConvParams&) override {}
  void depthwise(const DepthwiseDesc&, const DepthwiseParams&) override {}
  void max_pool(const PoolParams&) override {}
  void average_pool(const PoolParams&) override {}
  void upsample_sum(const UpsampleSumParams&) override {}
  void softmax(const SoftmaxParams&) override {}
  void proposals(const ProposalParams&) override {}
  void roi_align(const RoiAlignParams&) override {}
  void refine_planes(const RefineParams&) override {}
  void mask_planes(const MaskPlanesParams&) override {}
  int read_count(const int32_t*) override { return max_rois_; }

 private:
  Backend& real_;
  int max_rois_;
};

}  // namespace

std::unique_ptr<Backend> make_dry_backend(Backend& real, int max_rois) {
  return std::make_unique<DryBackend>(real, max_rois);
}

std::unique_ptr<Backend> make_backend(const std::string& device, int threads) {
  if (device != "auto" && device != "cpu")
    fail(ErrorKind::kInvalidArgument, "device: expected auto or cpu, found '", device, "'");
  return make_cpu_backend(threads);
}

}  // namespace sln
