// The comparison of stages: what it lets pass, what it catches, and what a near-tie may explain.
#include <catch2/catch.hpp>
#include <cmath>

#include "importer/anchors.h"
#include "importer/importer.h"
#include "importer/verify_boxes.h"

using namespace sln;
using namespace sln::importer;

namespace {

const std::string kFixtures = std::string(SLN_SOURCE_DIR) + "/tests/fixtures/";

const ReferenceRun& run() {
  static const ReferenceRun once = reference_run(kFixtures + "tiny_torchscript.onnx", 2);
  return once;
}

Tensor& named(std::vector<Tensor>& tensors, const std::string& name) {
  for (Tensor& tensor : tensors)
    if (tensor.name == name) return tensor;
  FAIL("no tensor " << name);
  std::abort();
}

// Checks of one pair that failed.
std::vector<std::string> failures(const VerifyReport& report, const std::string& pair) {
  std::vector<std::string> found;
  for (const StageCheck& check : report.checks)
    if (!check.passed && check.pair == pair) found.push_back(check.stage);
  return found;
}

using Names = std::vector<std::string>;

// Moves row `from` of every tensor by box to place `to`.
void move_row(std::vector<Tensor>& tensors, size_t from, size_t to) {
  for (Tensor& tensor : tensors) {
    if (tensor.dims[0] != run().config.max_rois || tensor.name.rfind("rpn", 0) == 0) continue;
    const size_t length = tensor.data.size() / static_cast<size_t>(tensor.dims[0]);
    std::vector<float> row(tensor.data.begin() + static_cast<std::ptrdiff_t>(from * length),
                           tensor.data.begin() + static_cast<std::ptrdiff_t>((from + 1) * length));
    tensor.data.erase(tensor.data.begin() + static_cast<std::ptrdiff_t>(from * length),
                      tensor.data.begin() + static_cast<std::ptrdiff_t>((from + 1) * length));
    tensor.data.insert(tensor.data.begin() + static_cast<std::ptrdiff_t>(to * length), row.begin(), row.end());
  }
}

// A config of one anchor per cell and no small boxes, with logits and deltas to play with.
struct Boxes {
  Boxes() {
    config.side = 64;
    config.rpn_stride = 16;
    config.anchor_ratios = {1};
    config.anchor_scales = {0.25};
    config.pre_nms = 8;
    config.max_rois = 4;
    config.nms_iou = 0.5;
    config.min_box = 0;
    logits = {"rpn_objectness", {1, 4, 4}, std::vector<float>(16)};
    deltas = {"rpn_deltas", {4, 4, 4}, std::vector<float>(64, 0.0f)};
    for (size_t i = 0; i < 16; ++i) logits.data[i] = 10.0f - static_cast<float>(i);
  }
  BoxMatching match(const std::vector<float>& first, const std::vector<float>& second) const {
    return match_boxes(config, logits, deltas, {"anchor_index", {static_cast<int64_t>(first.size())}, first},
                       {"anchor_index", {static_cast<int64_t>(second.size())}, second});
  }
  Config config;
  Tensor logits, deltas;
};

}  // namespace

TEST_CASE("the probe canvas is the integer formula", "[verify]") {
  Config config = run().config;
  const Tensor canvas = probe_canvas(config);
  CHECK(canvas.dims == Dims{3, 64, 64});
  const auto at = [&](int64_t c, int64_t y, int64_t x) {
    return canvas.data[static_cast<size_t>((c * 64 + y) * 64 + x)];
  };
  CHECK(at(0, 0, 0) == (0.0f - 123.675f) / 58.395f);
  // x = 20, y = 28 after the factor 4: 37*(1^1) + 11*((400 + 2352) >> 6) + 53*2 + 5*(560 % 31) = 0 + 473 + 106 + 10 =
  // 589
  CHECK(at(2, 7, 5) == (static_cast<float>(589 & 255) - 103.53f) / 57.375f);
  config.side = 1024;
  // No factor: x = 20, y = 28
  CHECK(probe_canvas(config).data[static_cast<size_t>((int64_t{2} * 1024 + 28) * 1024 + 20)] == at(2, 7, 5));
}

TEST_CASE("a run agrees with itself and with the fingerprint", "[verify]") {
  const VerifyReport report = compare_stages(run(), run().stages);
  INFO(format_report(report));
  CHECK(report.passed);
  CHECK(report.has_fingerprint);
  CHECK(report.checks.size() == 4 + 1 + 6 + 10 + 10);
  for (const StageCheck& check : report.checks) CHECK(check.compared > 0);
}

TEST_CASE("one wrong value is caught at its stage, against ONNX and against the fingerprint", "[verify]") {
  for (const char* name : {"features", "global_layers", "rpn_objectness", "rpn_deltas", "boxes", "scores",
                           "instance_layers", "layers", "confidence"}) {
    std::vector<Tensor> engine = run().stages;
    named(engine, name).data[0] += 0.05f;  // element 0 is among the fingerprint's samples
    const VerifyReport report = compare_stages(run(), engine);
    INFO(name << "\n" << format_report(report));
    CHECK_FALSE(report.passed);
    CHECK(failures(report, "engine - onnx") == Names{name});
    CHECK(failures(report, "engine - fingerprint") == Names{name});
    CHECK(failures(report, "onnx - fingerprint").empty());
  }
}

TEST_CASE("a value that is no number is caught", "[verify]") {
  std::vector<Tensor> engine = run().stages;
  named(engine, "features").data[17] = std::nanf("");
  CHECK(failures(compare_stages(run(), engine), "engine - onnx") == Names{"features"});
}

TEST_CASE("small differences everywhere are caught by p99, not by the largest", "[verify]") {
  std::vector<Tensor> engine = run().stages;
  for (float& x : named(engine, "confidence").data) x += 3e-4f;
  CHECK(failures(compare_stages(run(), engine), "engine - onnx") == Names{"confidence"});
  engine = run().stages;
  named(engine, "confidence").data[5] += 3e-4f;
  CHECK(failures(compare_stages(run(), engine), "engine - onnx").empty());
}

TEST_CASE("levels may differ where the two best layers tie, and only there", "[verify]") {
  ReferenceRun reference = run();
  std::vector<Tensor> engine = run().stages;
  named(engine, "level").data[3] += 1;
  CHECK(failures(compare_stages(reference, engine), "engine - onnx") == Names{"level"});
  Tensor& layers = named(reference.stages, "layers");
  const size_t cells = static_cast<size_t>(layers.dims[2] * layers.dims[3]);
  layers.data[1 * cells + 3] = layers.data[2 * cells + 3] = 0.5f;
  named(engine, "layers") = layers;
  const VerifyReport report = compare_stages(reference, engine);
  INFO(format_report(report));
  CHECK(failures(report, "engine - onnx").empty());
  for (const StageCheck& check : report.checks)
    if (check.stage == "level" && check.pair == "engine - onnx") CHECK(check.exceptions == 1);
}

TEST_CASE("boxes are matched by anchor; another order is caught", "[verify]") {
  std::vector<Tensor> engine = run().stages;
  move_row(engine, 5, 0);
  const VerifyReport report = compare_stages(run(), engine);
  INFO(format_report(report));
  CHECK(failures(report, "engine - onnx") == Names{"kept boxes"});  // heads are compared box by box all the same
}

TEST_CASE("a missing or shorter tensor is an error or a failed check", "[verify]") {
  std::vector<Tensor> engine = run().stages;
  engine.pop_back();  // anchor_index
  CHECK_THROWS_AS(compare_stages(run(), engine), Error);
  engine = run().stages;
  named(engine, "features").dims = {12, 32, 16};
  CHECK(failures(compare_stages(run(), engine), "engine - onnx") == Names{"features"});
}

TEST_CASE("anchors and decoding", "[verify]") {
  const auto anchors = make_anchors(run().config);
  REQUIRE(anchors.size() == 240);
  CHECK(anchors[0] ==
        std::array<float, 4>{8, 8, static_cast<float>(2 / std::sqrt(0.5)), static_cast<float>(2 * std::sqrt(0.5))});
  CHECK(anchors[15 * 5 + 7] == std::array<float, 4>{24, 24, 8, 8});  // cell (1, 1), ratio 1, scale 1/8
  const auto box = decode_box({32, 32, 16, 8}, {0.5, -1, std::log(2.0), 9}, 64);
  CHECK(box[0] == Approx(24));
  CHECK(box[2] == Approx(56));
  CHECK(box[1] == 0);  // grows 62.5-fold, not e^9-fold, and is clipped
  CHECK(box[3] == 64);
  CHECK(box_iou({0, 0, 2, 2}, {1, 0, 3, 2}) == Approx(1.0 / 3));
  CHECK(box_iou({0, 0, 0, 0}, {0, 0, 0, 0}) == 0);
}

TEST_CASE("swaps need logits that tie", "[verify]") {
  Boxes boxes;
  CHECK(boxes.match({0, 1, 2}, {0, 1, 2}).swaps == 0);
  CHECK(boxes.match({0, 1, 2}, {1, 0, 2}).unexplained_swaps == 1);
  boxes.logits.data[1] = boxes.logits.data[0];
  const BoxMatching tied = boxes.match({0, 1, 2}, {1, 0, 2});
  CHECK(tied.swaps == 1);
  CHECK(tied.unexplained_swaps == 0);
  REQUIRE(tied.pairs.size() == 3);
  CHECK(tied.pairs[0] == std::pair<size_t, size_t>{0, 1});
}

TEST_CASE("boxes that one run lacks need an IoU, a logit or a size at its threshold", "[verify]") {
  Boxes boxes;
  CHECK(boxes.match({0, 1}, {0}).unexplained_differences == 1);
  // Anchor 1 moves onto 0 until their IoU is a hair off 1/2: sides 16, shift 16/3.
  boxes.deltas.data[1] = -1 + 1.0f / 3;
  CHECK(boxes.match({0, 1}, {0}).unexplained_differences == 0);
  boxes.deltas.data[1] = -1 + 0.4f;
  CHECK(boxes.match({0, 1}, {0}).unexplained_differences == 1);
  // The 8th logit of 8 candidates ties with the 9th.
  Boxes border;
  border.logits.data[8] = border.logits.data[7];
  CHECK(border.match({0, 7}, {0, 8}).unexplained_differences == 0);
  CHECK(border.match({0, 7}, {0, 9}).unexplained_differences == 1);
  // A box of just the smallest size.
  Boxes small;
  small.config.min_box = 0.25;
  CHECK(small.match({0, 1}, {0}).unexplained_differences == 0);
}

TEST_CASE("what follows from an explained difference is explained", "[verify]") {
  Boxes boxes;
  boxes.deltas.data[1] = -1 + 1.0f / 3;  // 1 is at the threshold with 0
  boxes.deltas.data[2] = -1.5625f;       // 2 lies on 1 and off 0, so it is free where 1 is not kept
  const BoxMatching matching = boxes.match({0, 1, 4, 5}, {0, 2, 4, 5});
  INFO(matching.detail);
  CHECK(matching.differences == 2);
  CHECK(matching.unexplained_differences == 0);
  // One box more early on pushes the last one out of a full list.
  Boxes full;
  full.deltas.data[1] = -1 + 1.0f / 3;
  CHECK(full.match({0, 1, 4, 5}, {0, 4, 5, 6}).unexplained_differences == 0);
  CHECK(full.match({0, 4, 5}, {0, 4, 6}).unexplained_differences == 2);
}
