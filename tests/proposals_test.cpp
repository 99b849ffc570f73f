// Proposals against their definition with exp in double, and pointed examples; bytes: ops_test.
#include "kernels/proposals.h"

#include <catch2/catch.hpp>
#include <cmath>
#include <vector>

#include "tests/naive/proposals.h"
#include "tests/support/op_on_cpu.h"

namespace sln_test {
namespace {

// The maps of an RPN, as tensors with padded channels; padding is NaN, so that reading it shows.
struct Maps {
  int grid, anchors_per_cell;
  float side;
  int objectness_stride, deltas_stride;
  std::vector<float> objectness, deltas, anchors;

  Maps(int grid_cells, int per_cell, float canvas_side)
      : grid(grid_cells),
        anchors_per_cell(per_cell),
        side(canvas_side),
        objectness_stride((per_cell + 15) / 16 * 16),
        deltas_stride((4 * per_cell + 15) / 16 * 16),
        objectness(static_cast<size_t>(grid_cells) * grid_cells * objectness_stride, kNan),
        deltas(static_cast<size_t>(grid_cells) * grid_cells * deltas_stride, kNan) {
    const float step = side / static_cast<float>(grid);
    for (int i = 0; i < total(); ++i) {
      const int cell = i / per_cell;
      const float size = side * (0.1f + 0.15f * static_cast<float>(i % per_cell % 5));
      const float wide = i % per_cell % 2 == 0 ? 1.0f : 1.5f;
      anchors.insert(anchors.end(), {step * (static_cast<float>(cell % grid) + 0.5f),
                                     step * (static_cast<float>(cell / grid) + 0.5f), size * wide, size});
      logit(i) = 0;
      for (int k = 0; k < 4; ++k) delta(i)[k] = 0;
    }
  }
  int total() const { return grid * grid * anchors_per_cell; }
  float& logit(int i) {
    return objectness[static_cast<size_t>(i / anchors_per_cell * objectness_stride + i % anchors_per_cell)];
  }
  float* delta(int i) {
    return &deltas[static_cast<size_t>(i / anchors_per_cell * deltas_stride + i % anchors_per_cell * 4)];
  }
  void set_box(int i, float x0, float y0, float x1, float y1) {
    const float box[4] = {(x0 + x1) / 2, (y0 + y1) / 2, x1 - x0, y1 - y0};
    std::copy_n(box, 4, &anchors[static_cast<size_t>(i) * 4]);
  }
  void randomise(uint32_t seed, float spread) {
    Random random(seed);
    for (int i = 0; i < total(); ++i) {
      logit(i) = random.uniform(-6, 6);
      for (int k = 0; k < 4; ++k) delta(i)[k] = random.uniform(-spread, spread);
    }
  }
};

struct Settings {
  int pre_nms = 1000;
  float nms_iou = 0.7f;
  float min_box = 4;
  int max_rois = 100;
  float score_threshold = 0;
};

struct Result {
  std::vector<int> index;
  std::vector<float> boxes, scores;
};

sln::ProposalsOp make_op(const Maps& maps, const Settings& settings) {
  sln::ProposalsOp p;
  p.objectness = maps.objectness.data();
  p.objectness_stride = maps.objectness_stride;
  p.deltas = maps.deltas.data();
  p.deltas_stride = maps.deltas_stride;
  p.anchors = maps.anchors.data();
  p.grid = maps.grid;
  p.anchors_per_cell = maps.anchors_per_cell;
  p.side = maps.side;
  p.pre_nms = settings.pre_nms;
  p.nms_iou = settings.nms_iou;
  p.min_box = settings.min_box;
  p.max_rois = settings.max_rois;
  p.score_threshold = settings.score_threshold;
  return p;
}

// What the op has found, compared with what the naive one does.
Result compared(const sln::ProposalsOp& op) {
  const std::vector<sln_naive::Proposal> expected = sln_naive::proposals(op);
  Result found;
  found.index.assign(op.anchor_index, op.anchor_index + *op.count);
  found.boxes.assign(op.boxes, op.boxes + ptrdiff_t{4} * *op.count);
  found.scores.assign(op.scores, op.scores + *op.count);
  std::vector<int> expected_index;
  for (const auto& box : expected) expected_index.push_back(box.index);
  CHECK(found.index == expected_index);
  if (found.index != expected_index) return found;
  double worst_box = 0, worst_score = 0;
  for (size_t i = 0; i < expected.size(); ++i) {
    const float corners[4] = {expected[i].x0, expected[i].y0, expected[i].x1, expected[i].y1};
    for (size_t k = 0; k < 4; ++k) worst_box = farther(worst_box, found.boxes[4 * i + k], corners[k]);
    worst_score = farther(worst_score, found.scores[i], expected[i].score);
  }
  CHECK(worst_box <= 1e-6 * op.side);
  CHECK(worst_score <= 2e-7);
  return found;
}

Result check(const Maps& maps, const Settings& settings) {
  const size_t slots = static_cast<size_t>(settings.max_rois);
  std::vector<float> boxes(slots * 4), scores(slots);
  std::vector<int32_t> index(slots);
  int32_t count = 0;
  sln::ProposalsOp op = make_op(maps, settings);
  op.boxes = boxes.data(), op.scores = scores.data(), op.anchor_index = index.data(), op.count = &count;
  sln::cpu::ThreadPool pool(2);
  run_on_cpu(op, pool);
  return compared(op);
}

}  // namespace

TEST_CASE("proposals agree with the naive ones") {
  for_each_run<sln::ProposalsOp>([](const sln::ProposalsOp& op) { compared(op); });
}

TEST_CASE("of equal boxes the first stays, unless the limit is 1") {
  Maps maps(2, 2, 64);
  for (int i = 0; i < maps.total(); ++i) maps.set_box(i, 8, 8, 40, 24);
  maps.logit(5) = 1;
  Settings settings;
  CHECK(check(maps, settings).index == std::vector<int>{5});
  settings.nms_iou = 1;  // an IoU of 1 is not over 1
  CHECK(check(maps, settings).index == std::vector<int>{5, 0, 1, 2, 3, 4, 6, 7});
}

TEST_CASE("an IoU equal to the limit does not suppress") {
  Maps maps(2, 1, 64);
  maps.set_box(0, 0, 0, 16, 16);
  maps.set_box(1, 0, 0, 16, 8);  // IoU with 0: 1/2
  maps.set_box(2, 32, 32, 48, 48);
  maps.set_box(3, 32, 32, 48, 41);  // IoU with 2: 9/16
  for (int i = 0; i < 4; ++i) maps.logit(i) = static_cast<float>(-i);
  Settings settings;
  settings.nms_iou = 0.5f;
  CHECK(check(maps, settings).index == std::vector<int>{0, 1, 2});
}

TEST_CASE("a suppressed box suppresses nothing") {
  Maps maps(2, 1, 64);
  maps.set_box(0, 0, 0, 20, 10);
  maps.set_box(1, 6, 0, 26, 10);   // over the limit with 0
  maps.set_box(2, 12, 0, 32, 10);  // over the limit with 1 only
  maps.set_box(3, 50, 50, 60, 60);
  for (int i = 0; i < 4; ++i) maps.logit(i) = static_cast<float>(-i);
  Settings settings;
  settings.nms_iou = 0.5f;
  CHECK(check(maps, settings).index == std::vector<int>{0, 2, 3});
}

TEST_CASE("boxes are clipped, and empty ones have an IoU of 0") {
  Maps maps(2, 1, 64);
  maps.set_box(0, -30, -30, -10, -10);  // clipped to nothing
  maps.set_box(1, -30, -30, -10, -10);
  maps.set_box(2, 60, 60, 90, 70);
  maps.set_box(3, 0, 0, 64, 64);
  Settings settings;
  settings.min_box = 0;
  settings.nms_iou = 0;
  maps.logit(3) = -1;
  const Result result = check(maps, settings);
  CHECK(result.index == std::vector<int>{0, 1, 2});
  CHECK(result.boxes == std::vector<float>{0, 0, 0, 0, 0, 0, 0, 0, 60, 60, 64, 64});
  settings.min_box = 4;  // a side of exactly 4 stays
  CHECK(check(maps, settings).index == std::vector<int>{2});
  settings.min_box = std::nextafter(4.0f, 5.0f);
  CHECK(check(maps, settings).index == std::vector<int>{3});
}

TEST_CASE("NaN and infinite inputs end in the stated places") {
  Maps maps(4, 3, 64);
  maps.randomise(11, 0.2f);
  Settings settings;
  settings.nms_iou = 1;
  maps.logit(0) = kNan;
  maps.logit(7) = kInfinity;
  maps.logit(9) = -kInfinity;
  maps.logit(20) = -kNan;
  maps.delta(3)[0] = kNan;
  maps.delta(4)[2] = kNan;
  maps.delta(5)[3] = kInfinity;
  maps.delta(6)[2] = -kInfinity;
  const Result result = check(maps, settings);
  REQUIRE(result.index.size() == 48 - 5);  // two NaN scores, two NaN boxes, one without a width
  CHECK(result.index.front() == 7);
  CHECK(result.scores.front() == 1);
  CHECK(result.index.back() == 9);
  CHECK(result.scores.back() == 0);
  // NaN logits are the last to get a place before the NMS.
  settings.pre_nms = 46;
  CHECK(check(maps, settings).index == result.index);
}

TEST_CASE("the score threshold cuts at sigmoid(logit), equal stays") {
  Maps maps(3, 1, 512);
  for (int i = 0; i < 9; ++i) maps.logit(i) = static_cast<float>(4 - i);
  maps.logit(0) = 40;  // its sigmoid is 1
  Settings settings;
  settings.nms_iou = 1;
  settings.score_threshold = 0.5f;
  CHECK(check(maps, settings).index == std::vector<int>{0, 1, 2, 3, 4});
  settings.score_threshold = std::nextafter(0.5f, 1.0f);
  CHECK(check(maps, settings).index == std::vector<int>{0, 1, 2, 3});
  settings.score_threshold = 1;
  CHECK(check(maps, settings).index == std::vector<int>{0});
  maps.logit(0) = 5;
  CHECK(check(maps, settings).index.empty());
  settings.score_threshold = 0;
  CHECK(check(maps, settings).index.size() == 9);
}

TEST_CASE("a side grows at most 62.5 times") {
  Maps maps(1, 1, 100000);
  maps.set_box(0, 50000 - 8, 50000 - 8, 50000 + 8, 50000 + 8);
  maps.delta(0)[2] = 50;
  maps.delta(0)[3] = 4.1f;
  const Result result = check(maps, Settings());
  REQUIRE(result.index.size() == 1);
  CHECK(result.boxes[2] - result.boxes[0] == Approx(1000).epsilon(1e-5));
  CHECK(result.boxes[3] - result.boxes[1] == Approx(16 * std::exp(4.1)).epsilon(1e-5));
}

TEST_CASE("what an earlier image left in the scratch does not matter") {
  // 9 boxes that do not touch, taken in one order and then in the opposite one.
  Maps maps(3, 1, 90);
  Settings settings;
  Guarded<unsigned char> scratch(sln::cpu::scratch_bytes(make_op(maps, settings), 1));
  sln::cpu::ThreadPool pool(1);
  for (const int sign : {1, -1}) {
    for (int i = 0; i < 9; ++i) {
      const float x = static_cast<float>(30 * (i % 3)), y = static_cast<float>(30 * (i / 3));
      maps.set_box(i, x, y, x + 20, y + 20);
      maps.logit(i) = static_cast<float>(sign * i);
    }
    std::vector<float> boxes(400), scores(100);
    std::vector<int32_t> index(100);
    int32_t count = 0;
    sln::ProposalsOp p = make_op(maps, settings);
    p.boxes = boxes.data();
    p.scores = scores.data();
    p.anchor_index = index.data();
    p.count = &count;
    sln::cpu::run(p, scratch.data(), pool);
    REQUIRE(count == 9);
    for (int i = 0; i < 9; ++i) CHECK(index[static_cast<size_t>(i)] == (sign > 0 ? 8 - i : i));
  }
}

}  // namespace sln_test
