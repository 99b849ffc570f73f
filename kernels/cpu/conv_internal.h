// What the files of the CPU convolution share: the packed weights, the plan, and the work order of one thread.
//
// The convolution is an implicit GEMM: rows are output pixels (flattened over the batch, so that no tile ends with an
// output row), columns are output channels, and the depth is the window in the order (row, column, channel). Blocks,
// outermost first:
//   pixels of a thread > super-block of pixels > group of panels > depth block > block of pixels > panel >
//   tile
// A group's weights of one depth block stay in the L2 cache while the super-block passes by; a gathered block of pixels
// stays in L1 while the group's panels pass by. Between depth blocks the sums wait in the thread's scratch: it is the
// same chain, only spilled. Up to eight output channels go another way: conv_planar_kernel.cpp.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/conv.h"
#include "kernels/isa.h"

namespace sln::cpu {

constexpr int kConvMaxDepth = 384;                    // floats of the window per depth block
constexpr int kConvRowStep = kConvMaxDepth + 16;      // floats from pixel to pixel in a gathered block; an odd number
                                                      // of cache lines, so that rows do not share L1 sets
constexpr int kConvMaxRows = 12;                      // pixels of a block
constexpr int kConvScratchFloats = 192 * 1024 / 4;    // sums between depth blocks, per thread
constexpr int64_t kConvGroupFloats = 448 * 1024 / 4;  // weights of a group in one depth block, at most (if > 1 panel)
constexpr int kConvMaxTaps = 49;                      // of a window that is read through pointers
constexpr int kConvFewChannels = 64;                  // out_channels for which gathering windows does not pay
constexpr int kConvPlanarChannels = 8;                // out_channels up to which vectors hold pixels, not channels
constexpr int kConvPatchWidth = 32;                   // outputs of a row that are computed from one patch of the map
constexpr int kConvPatchStride = 48;            // floats from channel to channel of a patch: a window's reach more
constexpr int64_t kConvStreamFloats = 8 << 20;  // outputs of a map that no cache would keep for the next layer

// Columns are cut into panels of two vectors; a last panel that needs only one vector, or up to 8 channels, has only
// these. Layout: panel after panel, each (depth, width).
struct ConvPanels {
  int lanes = 0;       // floats per vector
  int count = 0;       // panels
  int last_width = 0;  // of the last panel: 2 * lanes, lanes, or min(lanes, 8)
  int64_t depth = 0;   // kernel * kernel * in_channels

  int width() const { return 2 * lanes; }
  int64_t offset(int panel) const { return static_cast<int64_t>(panel) * depth * width(); }
  int64_t floats() const { return depth * (static_cast<int64_t>(count - 1) * width() + last_width); }
};

// lanes: floats of a vector of the instruction set.
ConvPanels conv_panels(const ConvDesc& desc, int lanes);

// Packing for an instruction set of the caller's choice (tests compare them within one process). In `to` lie the panels
// (panels.floats()) and the bias (panels.count * panels.width(), zeros after out_channels).
size_t packed_bytes_for(Isa isa, const ConvDesc& desc);
PackedWeights pack_for(Isa isa, const ConvDesc& desc, const float* weights, const float* bias, void* to);

// PackedWeights::layout of an instruction set.
inline int32_t layout_of(Isa isa) {
  return 1 + static_cast<int32_t>(isa);
}
inline Isa isa_of(int32_t layout) {
  return static_cast<Isa>(layout - 1);
}

struct ConvPlan {
  bool planar = false;     // vectors hold pixels (conv_planar_kernel.cpp); nothing of what follows is used
  bool direct = false;     // windows are read from the map through pointers, not gathered
  bool stream = false;     // dst is written past the caches
  int depth_blocks = 0;    // the depth is cut into so many blocks
  int group = 0;           // panels of a group
  int64_t super_rows = 0;  // pixels of a super-block, multiple of kConvMaxRows
};

// What every thread reads.
struct ConvJob {
  ConvOp op;
  ConvPanels panels;
  ConvPlan plan;
  int64_t pixels = 0;              // batch * out_h * out_w
  const float* src_end = nullptr;  // behind the last channel of the last pixel: what follows is not the op's
};

// Computes the output pixels [begin, end) of the panels [panel_begin, panel_end).
struct ConvPart {
  int64_t begin = 0;
  int64_t end = 0;
  int panel_begin = 0;
  int panel_end = 0;
};
using ConvKernel = void (*)(const ConvJob& job, const ConvPart& part);

// Floats of a vector and the kernel itself, as compiled for `isa`.
int conv_lanes(Isa isa);
ConvKernel conv_kernel(Isa isa);
// For plan.planar: of whole rows of outputs.
ConvKernel conv_planar_kernel(Isa isa);

}  // namespace sln::cpu
