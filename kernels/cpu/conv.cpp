// Plan of a convolution and its partition over threads.
#include "kernels/conv.h"

#include <algorithm>
#include <stdexcept>
#include <string>

#include "kernels/cpu/conv_internal.h"
#include "kernels/cpu/parallel.h"

namespace sln::cpu {
namespace {

constexpr int64_t kUnlimited = int64_t{1} << 40;

int64_t ceil_div(int64_t a, int64_t b) {
  return (a + b - 1) / b;
}

void require(bool holds, const char* what) {
  if (!holds) throw std::invalid_argument(std::string("conv: ") + what);
}

void check(const ConvOp& op) {
  const char* const fault = fault_of(op);
  require(fault == nullptr, fault);
  require(op.weights.weights != nullptr && op.weights.layout >= layout_of(Isa::kSse4) &&
              op.weights.layout <= layout_of(Isa::kAvx512),
          "weights were not packed by cpu::pack");
  require(op.weights.bytes == packed_bytes_for(isa_of(op.weights.layout), op.desc),
          "weights were packed for another shape");
}

// Reading windows through pointers saves gathering them. That pays where few channels share the gathering, all weights
// stay in L2 (there are no depth blocks then), and a tap is long enough to make up for loading its pointers. 1x1 layers
// do read each line only once: gathering fetches ahead, and that is worth more there.
bool reads_through_pointers(const ConvDesc& desc, const ConvPanels& panels) {
  return desc.kernel > 1 && desc.kernel * desc.kernel <= kConvMaxTaps && desc.out_channels <= kConvFewChannels &&
         panels.floats() <= kConvGroupFloats && desc.in_channels >= 32 &&
         desc.in_channels <= kConvMaxRows * kConvRowStep;
}

// Few output channels leave most lanes of a vector of channels empty. Vectors of pixels have to be made first, which
// pays from some taps on; a patch that makes one row of outputs has to fit into the scratch.
bool computes_in_planes(const ConvDesc& desc, const ConvPanels& panels) {
  const int64_t row_floats = int64_t{desc.in_channels} * kConvPatchStride;
  return desc.out_channels <= kConvPlanarChannels && panels.count == 1 && desc.stride == 1 && desc.dilation == 1 &&
         desc.kernel > 1 && desc.kernel <= kConvPatchStride - kConvPatchWidth - 3 &&
         desc.kernel * row_floats <= kConvScratchFloats;
}

// Bytes written past the caches must be whole lines, or they are written many times.
bool writes_past_caches(const ConvOp& op, const ConvPanels& panels, int64_t pixels) {
  return pixels * op.dst_stride >= kConvStreamFloats && panels.width() >= 16 &&
         reinterpret_cast<uintptr_t>(op.dst) % 64 == 0 && op.dst_stride % 16 == 0;
}

ConvPlan make_plan(const ConvDesc& desc, const ConvPanels& panels) {
  ConvPlan plan;
  if (computes_in_planes(desc, panels)) {
    plan.planar = true;
    return plan;
  }
  if (reads_through_pointers(desc, panels)) {
    plan.direct = true;
    plan.depth_blocks = 1;
    plan.group = panels.count;
    plan.super_rows = kUnlimited;
    return plan;
  }
  plan.depth_blocks = static_cast<int>(ceil_div(panels.depth, kConvMaxDepth));
  const int64_t depth = ceil_div(panels.depth, plan.depth_blocks);
  // Groups of equal size rather than full ones and a rest.
  const int64_t most = std::max<int64_t>(1, kConvGroupFloats / (depth * panels.width()));
  plan.group = static_cast<int>(ceil_div(panels.count, ceil_div(panels.count, most)));
  if (plan.depth_blocks > 1) {
    // The sums of a super-block must fit into the scratch.
    const int64_t blocks = kConvScratchFloats / (int64_t{kConvMaxRows} * panels.width());
    plan.group = static_cast<int>(std::min<int64_t>(plan.group, blocks / 2));
    plan.super_rows = blocks / plan.group * kConvMaxRows;
  } else {
    plan.super_rows = kUnlimited;
  }
  return plan;
}

// Threads are split into `across` parts of the pixels times `down` parts of the panels; more than one of the latter
// only where the map is so small that parts of its pixels alone would leave threads idle.
struct Partition {
  int across = 1;
  int down = 1;
};

Partition make_partition(int64_t blocks, int panels, int threads) {
  Partition best;
  int64_t best_work = blocks * panels;
  for (int down = 1; down <= std::min(threads, panels); ++down) {
    const int across = static_cast<int>(std::min<int64_t>(threads / down, blocks));
    const int64_t work = ceil_div(blocks, across) * ceil_div(panels, down);
    if (work >= best_work) continue;
    best_work = work;
    best.across = across;
    best.down = down;
  }
  return best;
}

}  // namespace

void run(const ConvOp& op, void* /*scratch*/, ThreadPool& pool) {
  const int items = op.batch.count();
  if (items <= 0) return;
  check(op);
  const Isa isa = isa_of(op.weights.layout);
  ConvJob job;
  job.op = op;
  job.panels = conv_panels(op.desc, conv_lanes(isa));
  job.plan = make_plan(op.desc, job.panels);
  job.pixels = int64_t{items} * op.out_h * op.out_w;
  job.src_end = op.src + (int64_t{items} * op.in_h * op.in_w - 1) * op.src_stride + op.desc.in_channels;
  job.plan.stream = writes_past_caches(op, job.panels, job.pixels);

  const ConvKernel kernel = job.plan.planar ? conv_planar_kernel(isa) : conv_kernel(isa);
  const int64_t block = job.plan.planar ? op.out_w : kConvMaxRows;  // pixels that a thread does not share
  const int64_t blocks = ceil_div(job.pixels, block);
  const int panels = job.panels.count;
  const Partition split = make_partition(blocks, panels, pool.threads());
  pool.parallel_for(int64_t{split.across} * split.down, [&](int64_t begin, int64_t end, int) {
    for (int64_t part = begin; part < end; ++part) {
      const int64_t x = part / split.down;
      const int64_t y = part % split.down;
      ConvPart work;
      work.begin = blocks * x / split.across * block;
      work.end = std::min(blocks * (x + 1) / split.across * block, job.pixels);
      work.panel_begin = static_cast<int>(panels * y / split.down);
      work.panel_end = static_cast<int>(panels * (y + 1) / split.down);
      kernel(job, work);
    }
  });
}

}  // namespace sln::cpu
