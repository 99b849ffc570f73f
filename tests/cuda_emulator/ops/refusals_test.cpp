// What the launchers refuse, each with the reason: an op that would read or write beyond its buffers on a card.
#include <catch2/catch.hpp>
#include <limits>
#include <stdexcept>
#include <string>
#include <vector>

#include "kernels/cuda/ops.h"

namespace sln {
namespace {

constexpr int kHuge = std::numeric_limits<int>::max();
constexpr const char* kOffsets = "the limit of 32-bit offsets";

// Memory that every buffer points at: an op that is refused touches none of it.
alignas(64) float memory[4096] = {};
auto* const integers = reinterpret_cast<int32_t*>(memory);
auto* const bytes = reinterpret_cast<uint8_t*>(memory);

// The op is one that can be, but for what `change` does to it; `text` is in the message.
template <typename Op, typename Change>
void refuses(const Op& good, const char* text, const Change& change) {
  CAPTURE(text);
  Op op = good;
  change(op);
  CHECK_THROWS_AS(cuda::run(op, memory, nullptr), std::invalid_argument);
  CHECK_THROWS_WITH(cuda::run(op, memory, nullptr), Catch::Contains(text));
}

// The same of what is already known when an image's way is planned.
template <typename Op, typename Change>
void refuses_planned(const Op& good, const char* text, const Change& change) {
  CHECK_NOTHROW(cuda::scratch_bytes(good));
  refuses(good, text, change);
  Op op = good;
  change(op);
  CHECK_THROWS_AS(cuda::scratch_bytes(op), std::invalid_argument);
}

// Of an op without items, which may be null everywhere.
template <typename Op>
void does_nothing(const Op& op) {
  CHECK(cuda::scratch_bytes(op) == 0);
  CHECK(cuda::run(op, nullptr, nullptr) == 0);
}

}  // namespace

TEST_CASE("depthwise on CUDA refuses what cannot be") {
  DepthwiseOp op;
  op.desc = {20, 3, 1, 1, Activation::kNone};
  op.src = memory, op.dst = memory + 2048;
  op.in_h = op.in_w = op.out_h = op.out_w = 4;
  op.src_stride = op.dst_stride = 32;
  const std::vector<float> weights(20 * 9);
  std::vector<float> packed(cuda::packed_bytes(op.desc) / sizeof(float));
  op.weights = cuda::pack(op.desc, weights.data(), nullptr, packed.data(), memory);
  using O = DepthwiseOp;
  refuses_planned(op, "not packed by cuda::pack", [](O& o) { o.weights.layout = 16; });
  refuses_planned(op, "not packed by cuda::pack", [](O& o) { o.weights.weights = nullptr; });
  refuses_planned(op, "packed for another shape", [](O& o) { o.weights.bytes -= 4; });
  refuses_planned(op, "null", [](O& o) { o.src = nullptr; });
  refuses_planned(op, "null", [](O& o) { o.dst = nullptr; });
  refuses_planned(op, "without pixels", [](O& o) { o.in_w = 0; });
  refuses_planned(op, "without pixels", [](O& o) { o.out_h = 0; });
  refuses_planned(op, "src_stride", [](O& o) { o.src_stride = 31; });
  refuses_planned(op, "dst_stride", [](O& o) { o.dst_stride = 31; });
  refuses_planned(op, kOffsets, [](O& o) { o.src_stride = 1 << 28; });
  refuses_planned(op, kOffsets, [](O& o) { o.dst_stride = 1 << 28; });
  for (const DepthwiseDesc& wrong : {DepthwiseDesc{0, 3, 1, 1},
                                     {kHuge, 3, 1, 1},
                                     {100000000, 5, 1, 1},
                                     {20, 4, 1, 1},
                                     {20, 3, 3, 1},
                                     {20, 3, 1, 3},
                                     {20, 3, 1, -1}}) {
    CHECK_THROWS_AS(cuda::packed_bytes(wrong), std::invalid_argument);
    CHECK_THROWS_AS(cuda::pack(wrong, weights.data(), nullptr, packed.data(), memory), std::invalid_argument);
  }
  CHECK_THROWS_AS(cuda::pack(op.desc, nullptr, nullptr, packed.data(), memory), std::invalid_argument);
  CHECK_THROWS_AS(cuda::pack(op.desc, weights.data(), nullptr, nullptr, memory), std::invalid_argument);
  CHECK_THROWS_AS(cuda::pack(op.desc, weights.data(), nullptr, packed.data(), nullptr), std::invalid_argument);
}

TEST_CASE("pool on CUDA refuses what cannot be") {
  PoolOp op;
  op.src = memory, op.dst = memory + 2048;
  op.in_h = op.in_w = 6, op.out_h = op.out_w = 3;
  op.channels = 5, op.src_stride = 5, op.dst_stride = 16;
  op.kernel = op.stride = 2;
  using O = PoolOp;
  refuses_planned(op, "null", [](O& o) { o.src = nullptr; });
  refuses_planned(op, "without pixels", [](O& o) { o.out_w = 0; });
  refuses_planned(op, "channels", [](O& o) { o.channels = 0; });
  refuses_planned(op, "channels", [](O& o) { o.channels = o.src_stride = kHuge; });
  refuses_planned(op, "kernel", [](O& o) { o.kernel = 0; });
  refuses_planned(op, "kernel", [](O& o) { o.kernel = 1025; });
  refuses_planned(op, "stride positive", [](O& o) { o.stride = 0; });
  refuses_planned(op, "pad not negative", [](O& o) { o.pad = -1; });
  refuses_planned(op, "2^31", [](O& o) { o.stride = 1 << 30; });
  refuses_planned(op, "2^31", [](O& o) { o.pad = kHuge; });
  refuses_planned(op, "average", [](O& o) { o.kind = PoolKind::kAverage, o.pad = 1; });
  refuses_planned(op, "average", [](O& o) { o.kind = PoolKind::kAverage, o.out_h = 4; });
  refuses_planned(op, "src_stride", [](O& o) { o.src_stride = 4; });
  refuses_planned(op, "dst_stride", [](O& o) { o.dst_stride = 15; });
  refuses_planned(op, kOffsets, [](O& o) { o.dst_stride = 1 << 28; });
}

TEST_CASE("upsample_sum on CUDA refuses what cannot be") {
  UpsampleSumOp op;
  op.sources[0] = op.sources[1] = {memory, 2, 2, 16};
  op.count = 2, op.channels = 16;
  op.dst = memory + 2048, op.h = op.w = 4, op.dst_stride = 16;
  using O = UpsampleSumOp;
  refuses_planned(op, "count", [](O& o) { o.count = 0; });
  refuses_planned(op, "count", [](O& o) { o.count = 4; });
  refuses_planned(op, "multiple of 16", [](O& o) { o.channels = 8; });
  refuses_planned(op, "multiple of 16", [](O& o) { o.channels = 0; });
  refuses_planned(op, "without pixels", [](O& o) { o.h = 0; });
  refuses_planned(op, "without pixels", [](O& o) { o.sources[1].w = 0; });
  refuses_planned(op, "dst_stride", [](O& o) { o.dst_stride = 15; });
  refuses_planned(op, "source's stride", [](O& o) { o.sources[1].stride = 12; });
  refuses_planned(op, "null", [](O& o) { o.sources[1].data = nullptr; });
  refuses_planned(op, kOffsets, [](O& o) { o.sources[0].stride = 1 << 29; });
}

TEST_CASE("proposals on CUDA refuses what cannot be") {
  ProposalsOp op;
  op.objectness = op.deltas = op.anchors = memory;
  op.objectness_stride = 3, op.deltas_stride = 12;
  op.grid = 2, op.anchors_per_cell = 3;
  op.pre_nms = 10, op.max_rois = 5;
  op.boxes = op.scores = memory, op.anchor_index = op.count = integers;
  using O = ProposalsOp;
  refuses_planned(op, "without anchors", [](O& o) { o.grid = 0; });
  refuses_planned(op, "without anchors", [](O& o) { o.anchors_per_cell = 0; });
  refuses_planned(op, "objectness_stride", [](O& o) { o.objectness_stride = 2; });
  refuses_planned(op, "deltas_stride", [](O& o) { o.deltas_stride = 11; });
  refuses_planned(op, "pre_nms", [](O& o) { o.pre_nms = 0; });
  refuses_planned(op, "max_rois: expected 1..1024, found 0", [](O& o) { o.max_rois = 0; });
  refuses_planned(op, "max_rois: expected 1..1024, found 1025", [](O& o) { o.max_rois = 1025; });
  refuses_planned(op, "null", [](O& o) { o.count = nullptr; });
  refuses_planned(op, kOffsets, [](O& o) { o.deltas_stride = 1 << 30; });
  CHECK_THROWS_WITH(cuda::run(op, nullptr, nullptr), Catch::Contains("scratch is null"));
}

TEST_CASE("roi_align on CUDA refuses what cannot be, and does nothing without room") {
  RoiAlignOp op;
  op.src = memory, op.h = op.w = 4, op.src_stride = 5, op.channels = 5;
  op.boxes = memory, op.items = {2}, op.side = 2;
  op.dst = memory + 2048, op.dst_stride = 16;
  using O = RoiAlignOp;
  refuses_planned(op, "null", [](O& o) { o.boxes = nullptr; });
  refuses_planned(op, "without pixels", [](O& o) { o.h = 0; });
  refuses_planned(op, "channels", [](O& o) { o.channels = 0; });
  refuses_planned(op, "channels", [](O& o) { o.channels = o.src_stride = kHuge; });
  refuses_planned(op, "side", [](O& o) { o.side = 0; });
  refuses_planned(op, "side", [](O& o) { o.side = 1025; });
  refuses_planned(op, "src_stride", [](O& o) { o.src_stride = 4; });
  refuses_planned(op, "dst_stride", [](O& o) { o.dst_stride = 15; });
  refuses_planned(op, kOffsets, [](O& o) { o.items.room = 1 << 26; });
  op.items.room = 0, op.src = nullptr;
  does_nothing(op);
}

TEST_CASE("softmax on CUDA refuses what cannot be, and does nothing without room") {
  SoftmaxOp op;
  op.src = memory, op.dst = memory + 2048;
  op.items = {1}, op.pixels_per_item = 1;
  op.src_stride = op.dst_stride = 16, op.channels = 5;
  using O = SoftmaxOp;
  refuses_planned(op, "null", [](O& o) { o.src = nullptr; });
  refuses_planned(op, "null", [](O& o) { o.dst = nullptr; });
  refuses_planned(op, "1..16", [](O& o) { o.channels = 0; });
  refuses_planned(op, "1..16", [](O& o) { o.channels = 17, o.src_stride = o.dst_stride = 32; });
  refuses_planned(op, "zero_pad", [](O& o) { o.zero_pad = -1; });
  refuses_planned(op, "zero_pad", [](O& o) { o.zero_pad = 12; });
  refuses_planned(op, "src_stride", [](O& o) { o.src_stride = 4; });
  refuses_planned(op, "semdist_stride", [](O& o) { o.semdist = o.dst + 16; });
  refuses_planned(op, kOffsets, [](O& o) { o.pixels_per_item = 1 << 27; });
  refuses_planned(op, kOffsets, [](O& o) { o.items.room = 1 << 27; });
  refuses_planned(op, kOffsets, [](O& o) { o.items.room = o.pixels_per_item = kHuge; });
  refuses_planned(op, kOffsets, [](O& o) { o.pixels_per_item = 2, o.dst_stride = 1 << 30; });
  op.items.room = 0, op.src = nullptr;
  does_nothing(op);
}

TEST_CASE("refine on CUDA refuses what cannot be, and does nothing without room") {
  RefineOp op;
  op.ilm_logits = memory, op.items = {2}, op.pixels_per_item = 4;
  op.logits_stride = 5, op.channels = 5;
  op.layers = op.confidence = memory + 2048, op.level = bytes;
  using O = RefineOp;
  refuses_planned(op, "null", [](O& o) { o.level = nullptr; });
  refuses_planned(op, "2..16", [](O& o) { o.channels = 1; });
  refuses_planned(op, "2..16", [](O& o) { o.channels = o.logits_stride = 17; });
  refuses_planned(op, "logits_stride", [](O& o) { o.logits_stride = 4; });
  refuses_planned(op, kOffsets, [](O& o) { o.items.room = 1 << 28; });
  op.items.room = 0, op.layers = nullptr;
  does_nothing(op);
}

TEST_CASE("mask_planes on CUDA refuses what cannot be, and does nothing without room") {
  MaskPlanesOp op;
  op.logits = memory, op.items = {2}, op.pixels_per_item = 4;
  op.stride = 2, op.masks = 2;
  op.layers = op.confidence = memory + 2048, op.level = bytes;
  using O = MaskPlanesOp;
  refuses_planned(op, "null", [](O& o) { o.logits = nullptr; });
  refuses_planned(op, "masks", [](O& o) { o.masks = 0; });
  refuses_planned(op, "masks", [](O& o) { o.masks = 3; });
  refuses_planned(op, "stride", [](O& o) { o.stride = 1; });
  refuses_planned(op, kOffsets, [](O& o) { o.items.room = 1 << 28; });
  op.pixels_per_item = 0, op.layers = nullptr;
  does_nothing(op);
}

TEST_CASE("resize on CUDA refuses what cannot be") {
  ResizeOp op;
  op.pixels = bytes, op.width = 4, op.height = 2, op.row_bytes = 12;
  op.canvas = memory, op.side = 8, op.scaled_width = 8, op.scaled_height = 4;
  using O = ResizeOp;
  refuses(op, "pixels is null", [](O& o) { o.pixels = nullptr; });
  refuses(op, "without pixels", [](O& o) { o.width = 0; });
  refuses(op, "349525", [](O& o) { o.width = 349526; });
  refuses(op, "without pixels", [](O& o) { o.scaled_height = 0; });
  refuses(op, "larger than the canvas", [](O& o) { o.scaled_width = 9; });
  refuses(op, "row_bytes", [](O& o) { o.row_bytes = 11; });
  refuses_planned(op, "side", [](O& o) { o.side = 0; });
  refuses_planned(op, "null", [](O& o) { o.canvas = nullptr; });
  refuses_planned(op, "aligned", [](O& o) { o.canvas += 1; });
  refuses_planned(op, kOffsets, [](O& o) { o.side = 40000; });
  CHECK_THROWS_WITH(cuda::run(op, nullptr, nullptr), Catch::Contains("scratch is null"));
}

TEST_CASE("canvas_from_planes on CUDA refuses what cannot be") {
  const CanvasFromPlanesOp op = {memory, memory + 2048, 8};
  using O = CanvasFromPlanesOp;
  refuses(op, "null", [](O& o) { o.planes = nullptr; });
  for (const int side : {65536, 1518500250, kHuge}) refuses_planned(op, "side", [&](O& o) { o.side = side; });
  refuses_planned(op, "side", [](O& o) { o.side = 0; });
  refuses_planned(op, "null", [](O& o) { o.canvas = nullptr; });
  refuses_planned(op, "aligned", [](O& o) { o.canvas += 1; });
  refuses_planned(op, kOffsets, [](O& o) { o.side = 40000; });
  CHECK_THROWS_WITH(cuda::run(op, nullptr, nullptr), Catch::Contains("null"));
}

}  // namespace sln
