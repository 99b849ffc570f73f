#include "tests/cases/op_case.h"

namespace sln_test {
namespace {

enum class Boxes { kInside, kBorder, kOutside };

struct Row {
  int h, w, channels;  // of the map
  int side;            // of a RoI
  Boxes boxes;
  int room;         // boxes
  int used = kAll;  // of them
  float scale = 0.25f;
  int extra_src = 0;  // src_stride - channels
  int extra_dst = 0;  // dst_stride - ceil16(channels)
  int shift = 0;      // floats
};

std::vector<Row> rows() {
  std::vector<Row> rows = {
      {16, 16, 261, 28, Boxes::kInside, 6, kAll, 0.25f, 11},
      {16, 16, 20, 33, Boxes::kInside, 6, kAll, 0.25f, 12},
      {16, 16, 5, 7, Boxes::kInside, 0},
      {16, 16, 5, 7, Boxes::kInside, 6, 0},
      {16, 16, 5, 7, Boxes::kInside, 6, 1, 0.25f, 3},
      {16, 16, 21, 7, Boxes::kInside, 6, 4, 0.25f, 11, 16},
      {16, 16, 5, 7, Boxes::kInside, 6, 6},
      {9, 21, 21, 5, Boxes::kInside, 6, kAll, 0.0625f},
      {9, 21, 21, 5, Boxes::kOutside, 6, kAll, 1.0f, 0, 3},
      {16, 16, 21, 9, Boxes::kOutside, 6},
      {5, 13, 21, 9, Boxes::kOutside, 6},
      {1, 1, 21, 9, Boxes::kOutside, 6},
      {1, 1, 5, 1, Boxes::kInside, 6},
      {16, 16, 5, 256, Boxes::kInside, 2},  // the largest side of a config
      {16, 16, 20, 7, Boxes::kInside, 6, kAll, 0.25f, 0, 0, 1},
      {16, 16, 32, 2, Boxes::kOutside, 6, 3, 0.25f, 4, 16, 2},
      {1, 30, 5, 2, Boxes::kInside, 6},
      {30, 1, 5, 2, Boxes::kInside, 6},
      {4, 4, 1, 1, Boxes::kBorder, 5},
      {4, 4, 16, 4, Boxes::kBorder, 5},
  };
  for (const int channels : {1, 5, 16, 21, 37})
    for (const int side : {1, 7, 14})
      rows.push_back({16, 16, channels, side, Boxes::kInside, 6, kAll, 0.25f, side % 3 * 3, 16});
  return rows;
}

std::string text(const Row& c) {
  return words(c.h, "x", c.w, "x", c.channels, "side", c.side, "boxes", static_cast<int>(c.boxes), "used", c.used, "of",
               c.room, "scale", c.scale, "extra", c.extra_src, c.extra_dst, "shift", c.shift);
}

// Boxes for a map of 64 x 64 canvas pixels; other maps scale them.
const std::vector<std::vector<float>> kInside = {
    {0, 0, 64, 64},              // the whole canvas
    {3.3f, 9.1f, 40.7f, 30.2f},  //
    {60, 60, 64, 64},            // the last pixel of the map
    {0, 0, 1, 1},                // less than one pixel of the map
    {20.5f, 7, 20.5f, 50},       // no width
    {50, 5, 6.5f, 64},           // the wrong way round
};
// One bin's samples lie at exactly -1 and 0, 3.5 and 4.5, 3 and 4 (the size) of a map of 4 pixels, and at NaN.
const std::vector<std::vector<float>> kBorder = {
    {-4, 2, 4, 2.001f}, {14, 2, 22, 2.001f}, {12, 2, 20, 2.001f}, {2, 12, 3, 20}, {kNan, 0, 8, 8},
};
const std::vector<std::vector<float>> kOutside = {
    {-30.3f, -20.7f, 90.1f, 80.9f}, {-300, -300, -200, -200}, {30, 40, 400, 411},
    {-3e38f, 0, 3e38f, 10},         {1e9f, 1e9f, 2e9f, 2e9f}, {-1e9f, 5, 9, 1e9f},
};

// Within the map and at least 4 canvas pixels wide: what the network's proposals may be.
std::vector<float> random_box(Maker& maker, float h, float w) {
  const float x = maker.random.uniform(0, w * 0.8f), y = maker.random.uniform(0, h * 0.8f);
  return {x, y, maker.random.uniform(x + 4, w), maker.random.uniform(y + 4, h)};
}

std::vector<float> box_at(const Row& c, int i, Maker& maker) {
  const float h = static_cast<float>(c.h) / c.scale, w = static_cast<float>(c.w) / c.scale;
  const auto& boxes = c.boxes == Boxes::kInside ? kInside : c.boxes == Boxes::kBorder ? kBorder : kOutside;
  if (static_cast<size_t>(i) >= boxes.size()) return random_box(maker, h, w);
  std::vector<float> box = boxes[static_cast<size_t>(i)];
  if (c.boxes != Boxes::kInside) return box;
  for (const int axis : {0, 2}) box[static_cast<size_t>(axis)] *= w / 64;
  for (const int axis : {1, 3}) box[static_cast<size_t>(axis)] *= h / 64;
  return box;
}

OpProblem make(const Row& c, bool nasty, uint32_t seed) {
  Maker maker(seed, {-1, 1, nasty ? 20 : 0}, c.shift);
  sln::RoiAlignOp op;
  op.h = c.h;
  op.w = c.w;
  op.src_stride = c.channels + c.extra_src;
  op.channels = c.channels;
  op.items = maker.items(c.room, c.used);
  op.scale = c.scale;
  op.side = c.side;
  op.dst_stride = sln::ceil16(c.channels) + c.extra_dst;
  maker.buffers(op);
  auto* const boxes = const_cast<float*>(op.boxes);
  for (int i = 0; i < op.items.count(); ++i) {
    std::vector<float> box = box_at(c, i, maker);
    if (nasty && i % 2 == 1) box[static_cast<size_t>(maker.random.below(4))] = maker.value();
    if (nasty && i % 4 == 3) box[static_cast<size_t>(maker.random.below(4))] = i % 8 == 3 ? kNan : -kInfinity;
    std::copy_n(box.begin(), 4, boxes + 4 * i);
  }
  return {op, maker.memory};
}

}  // namespace

template <>
OpCases cases_of<sln::RoiAlignOp>() {
  const std::vector<Named<Row>> networks = {
      {"roi align 261 @256 100x28", {256, 256, 261, 28, Boxes::kInside, 100, kAll, 0.25f, 11}},
      {"roi align 69 @128 100x28", {128, 128, 69, 28, Boxes::kInside, 100, kAll, 0.25f, 11}},
  };
  return {both(rows(), text, make), timed(networks, make)};
}

}  // namespace sln_test
