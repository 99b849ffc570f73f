// Plan of a convolution and its partition over threads.
#include "kernels/conv.h"

#include <algorithm>
#include <stdexcept>
#include <string>

#include "kernels/cpu/conv_internal.h"
#include "kernels/cpu/parallel.h"

namespace sln::cpu {
namespace {

int64_t ceil_div(int64_t a, int64_t b) {
  return (a + b - 1) / b;
}

void require(bool holds, const char* what) {
  if (!holds) throw std::invalid_argument(std::string("conv: ") + what);
}

const PackedConvCpu& check(const ConvDesc& desc, const ConvParams& params) {
  const auto* packed = dynamic_cast<const PackedConvCpu*>(params.weights);
  require(packed != nullptr, "weights were not packed by cpu::pack_conv");
  require(desc.in_channels == packed->desc.in_channels && desc.out_channels == packed->desc.out_channels &&
              desc.kernel == packed->desc.kernel,
          "weights were packed for another shape");
  require(params.src != nullptr && params.dst != nullptr, "src or dst is null");
  require(params.in_h > 0 && params.in_w > 0 && params.out_h > 0 && params.out_w > 0, "map without pixels");
  const int64_t written = ceil_div(desc.out_channels, 16) * 16;
  require(params.src_stride >= desc.in_channels, "src_stride is below in_channels");
  require(params.dst_stride >= written, "dst_stride is below ceil16(out_channels)");
  require(params.residual == nullptr || params.residual_stride >= desc.out_channels,
          "residual_stride is below out_channels");
  return *packed;
}

ConvPlan make_plan(const PackedConvCpu& packed) {
  const ConvPanels& panels = packed.panels;
  ConvPlan plan;
  plan.rows = conv_tile_rows(packed.isa);
  plan.depth_blocks = static_cast<int>(ceil_div(panels.depth, kConvMaxDepth));
  const int64_t depth = ceil_div(panels.depth, plan.depth_blocks);
  // Groups of equal size rather than full ones and a rest.
  const int64_t most = std::max<int64_t>(1, kConvGroupFloats / (depth * panels.width()));
  plan.group = static_cast<int>(ceil_div(panels.count, ceil_div(panels.count, most)));
  const int64_t tile_floats = static_cast<int64_t>(plan.rows) * panels.width();
  if (plan.depth_blocks > 1) {
    // The sums of a super-block must fit into the scratch.
    plan.group = static_cast<int>(std::min<int64_t>(plan.group, kConvScratchFloats / (tile_floats * 2)));
    const int64_t rows_in_scratch = kConvScratchFloats / (tile_floats * plan.group) * plan.rows;
    plan.super_rows = rows_in_scratch / kConvMaxRows * kConvMaxRows;
  } else {
    plan.super_rows = int64_t{1} << 40;
  }
  return plan;
}

// Threads are split into `across` parts of the pixels times `down` parts of the panels; more than one of the latter
// only where the map is so small that parts of its pixels alone would leave threads idle.
struct Partition {
  int across = 1;
  int down = 1;
};

Partition make_partition(int64_t tiles, int panels, int threads) {
  Partition best;
  int64_t best_work = tiles * panels;
  for (int down = 1; down <= std::min(threads, panels); ++down) {
    const int across = static_cast<int>(std::min<int64_t>(threads / down, tiles));
    const int64_t work = ceil_div(tiles, across) * ceil_div(panels, down);
    if (work >= best_work) continue;
    best_work = work;
    best.across = across;
    best.down = down;
  }
  return best;
}

}  // namespace

void conv(const ConvDesc& desc, const ConvParams& params, ThreadPool& pool) {
  if (params.batch <= 0) return;
  const PackedConvCpu& packed = check(desc, params);
  ConvJob job;
  job.desc = desc;
  job.params = params;
  job.panels = packed.panels;
  job.plan = make_plan(packed);
  job.weights = packed.weights.get();
  job.bias = packed.bias.get();
  job.pixels = static_cast<int64_t>(params.batch) * params.out_h * params.out_w;

  const ConvKernel kernel = conv_kernel(packed.isa);
  const int64_t tiles = ceil_div(job.pixels, job.plan.rows);
  const int panels = job.panels.count;
  const Partition split = make_partition(tiles, panels, pool.threads());
  pool.parallel_for(int64_t{split.across} * split.down, [&](int64_t begin, int64_t end, int) {
    for (int64_t part = begin; part < end; ++part) {
      const int64_t x = part / split.down;
      const int64_t y = part % split.down;
      ConvPart work;
      work.begin = tiles * x / split.across * job.plan.rows;
      work.end = std::min(tiles * (x + 1) / split.across * job.plan.rows, job.pixels);
      work.panel_begin = static_cast<int>(panels * y / split.down);
      work.panel_end = static_cast<int>(panels * (y + 1) / split.down);
      kernel(job, work);
    }
  });
}

}  // namespace sln::cpu
