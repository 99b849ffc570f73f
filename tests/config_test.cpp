#include "engine/config.h"

#include <catch2/catch.hpp>

#include "engine/error.h"
#include "engine/layer_table.h"
#include "engine/sha256.h"
#include "tests/support/models.h"

using sln::Config;
using sln::parse_config;

namespace {

std::string replaced(std::string text, const std::string& from, const std::string& to) {
  const size_t at = text.find(from);
  REQUIRE(at != std::string::npos);
  return text.replace(at, from.size(), to);
}

std::string error_of(const std::string& json) {
  try {
    parse_config(json, "FILE: sln.config");
  } catch (const sln::Error& error) {
    return error.what();
  }
  return "no error";
}

const char* const kR50 =
    R"({"anchor_ratios":[0.5,1,2],"anchor_scales":[0.03125,0.0625,0.125,0.25,0.5],"blocks":[3,4,6,3],"bn_eps":1e-05,)"
    R"("encoder":"resnet","feature_channels":256,"head_channels":256,"layers":4,"max_rois":100,)"
    R"("mean":[123.675,116.28,103.53],"min_box":0.00390625,"network":"sln","nms_iou":0.7,"pre_nms":1000,)"
    R"("roi_side":28,"rpn_channels":512,"rpn_stride":16,"side":1024,"std":[58.395,57.12,57.375],"stem_channels":64})";

}  // namespace

TEST_CASE("A config is read as written") {
  const Config config = parse_config(kR50, "r50");
  CHECK(config.side == 1024);
  CHECK(config.blocks == std::vector<int>{3, 4, 6, 3});
  CHECK(config.anchors_per_cell() == 15);
  CHECK(config.grid() == 64);
  CHECK(config.min_box * config.side == 4);
  CHECK(config.mean[2] == 103.53);
}

TEST_CASE("What is wrong in a config is named") {
  const std::string good = sln::test::small_config_json();
  CHECK(error_of(good) == "no error");
  CHECK(error_of("[]").find("FILE: sln.config: expected a JSON object") == 0);
  CHECK(error_of(replaced(good, "\"side\":64", "\"side\":65")).find("side: expected a multiple of 32, found 65") !=
        std::string::npos);
  CHECK(error_of(replaced(good, "\"layers\":4", "\"layers\":0"))
            .find("layers: expected an integer from 1 to 15, found 0") != std::string::npos);
  CHECK(error_of(replaced(good, "\"nms_iou\":0.7", "\"nms_iou\":\"x\"")).find("nms_iou: expected a number") !=
        std::string::npos);
  CHECK(error_of(replaced(good, "\"nms_iou\":0.7,", "")).find("key 'nms_iou' is missing") != std::string::npos);
  CHECK(error_of(replaced(good, "{", "{\"surplus\":1,")).find("unknown key 'surplus'") != std::string::npos);
  CHECK(error_of(replaced(good, "\"sln\"", "\"ordernet\""))
            .find("network: expected one of \"arcnn\", \"arcnn-visible\", \"sln\", found \"ordernet\"") !=
        std::string::npos);
  CHECK(error_of(replaced(good, "\"resnet\"", "\"vgg\""))
            .find("encoder: expected one of \"efficientnet-lite0\", \"resnet\", found \"vgg\"") != std::string::npos);
  CHECK(error_of(replaced(good, "\"sln\"", "\"arcnn\"")).find("layers: expected an integer from 1 to 1, found 4") !=
        std::string::npos);
  CHECK(error_of(replaced(good, "\"resnet\"", "\"efficientnet-lite0\"")).find("blocks: expected an array of 7") !=
        std::string::npos);
  CHECK(error_of(replaced(good, "[1,2,1,1]", "[1,2,1]")).find("blocks: expected an array of 4") != std::string::npos);
}

TEST_CASE("SHA-256 of known texts") {
  CHECK(sln::sha256_hex("") == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  CHECK(sln::sha256_hex("abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  CHECK(sln::sha256_hex(std::string(1000000, 'a')) ==
        "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

TEST_CASE("The layer table of r50 has the published sizes") {
  const Config config = parse_config(kR50, "r50");
  const std::vector<sln::Layer> layers = sln::layer_table(config);
  // ResNet-50: 1 stem + 16 * 3 + 4 shortcuts; 4 slices of the fuse; GLM 3, RPN 3, ILM 3, refinement 3.
  REQUIRE(layers.size() == 53 + 4 + 12);
  int64_t encoder = 0, fuse = 0, glm = 0, rpn = 0, heads = 0;
  for (const sln::Layer& layer : layers) {
    const bool is_fuse = layer.name.find("encoder.fuse") == 0;
    (is_fuse                    ? fuse
     : layer.stage == "encoder" ? encoder
     : layer.stage == "glm"     ? glm
     : layer.stage == "rpn"     ? rpn
                                : heads) += layer.macs;
  }
  CHECK(encoder / 1e9 == Approx(85.4).margin(0.05));
  CHECK(fuse / 1e9 == Approx(8.05).margin(0.01));
  CHECK(glm / 1e9 == Approx(78.1).margin(0.05));
  CHECK(rpn / 1e9 == Approx(5.1).margin(0.05));
  CHECK(heads / 1e9 == Approx(188.8).margin(0.05));
}

TEST_CASE("The last stage is dilated, and strides are in the 3x3") {
  for (const sln::Layer& layer : sln::layer_table(parse_config(kR50, "r50"))) {
    INFO(layer.name);
    if (layer.name == "encoder.stage4.block0.conv2") {
      CHECK(layer.stride == 2);
      CHECK(layer.dilation == 2);
      CHECK(layer.pad == 2);
      CHECK(layer.out_side == 32);
    }
    if (layer.name == "encoder.stage2.block0.conv1") {
      CHECK(layer.stride == 1);
      CHECK(layer.out_side == 256);
    }
  }
}

namespace {

const char* const kDemo =
    R"({"anchor_ratios":[0.5,1,2],"anchor_scales":[0.03125,0.0625,0.125,0.25,0.5],"blocks":[1,2,2,3,3,4,1],)"
    R"("bn_eps":0.001,"encoder":"efficientnet-lite0","feature_channels":64,"head_channels":64,"layers":4,)"
    R"("max_rois":100,"mean":[127,127,127],"min_box":0.00390625,"network":"sln","nms_iou":0.7,"pre_nms":1000,)"
    R"("roi_side":28,"rpn_channels":128,"rpn_stride":8,"side":256,"std":[128,128,128],"stem_channels":32})";

sln::Layer layer_of(const Config& config, const std::string& name) {
  for (const sln::Layer& layer : sln::layer_table(config))
    if (layer.name == name) return layer;
  FAIL("no layer " << name);
  return {};
}

int64_t parameters_of(const Config& config, const std::string& prefix) {
  int64_t sum = 0;
  for (const sln::Layer& layer : sln::layer_table(config))
    if (layer.name.rfind(prefix, 0) == 0) sum += layer.parameters();
  return sum;
}

}  // namespace

TEST_CASE("The layer table of efficientnet-lite0 has the published sizes") {
  const Config config = parse_config(kDemo, "demo");
  // The published network has 4,652,008 parameters; without its 1280-channel head (320 * 1280 + 2 * 1280) and its
  // classifier (1280 * 1000 + 1000) and with every BN folded into one bias (2 floats per channel become 1), this
  // remains.
  const int64_t published = 4652008 - (320 * 1280 + 2 * 1280) - (1280 * 1000 + 1000);
  int64_t biases = 0;
  for (const sln::Layer& layer : sln::layer_table(config))
    if (layer.stage == "encoder" && layer.name.find("fuse") == std::string::npos) biases += layer.out_channels;
  CHECK(parameters_of(config, "encoder.") - parameters_of(config, "encoder.fuse") == published - biases);
  CHECK(parameters_of(config, "encoder.fuse") == 496 * 64 + 64);

  const sln::Layer wide = layer_of(config, "encoder.stage3.block0.depthwise");
  CHECK(wide.groups == 144);
  CHECK(wide.kernel == 5);
  CHECK(wide.stride == 2);
  CHECK(wide.pad == 1);
  CHECK(wide.pad_after == 2);
  CHECK(wide.out_side == 32);
  CHECK(wide.activation == sln::LayerActivation::kRelu6);
  CHECK(wide.macs == int64_t{144} * 25 * 32 * 32);
  const sln::Layer stem = layer_of(config, "encoder.stem");
  CHECK(stem.pad == 0);
  CHECK(stem.pad_after == 1);
  CHECK(layer_of(config, "encoder.stage5.block1.project").residual);
  CHECK(layer_of(config, "encoder.stage5.block1.project").activation == sln::LayerActivation::kNone);
  CHECK_FALSE(layer_of(config, "encoder.stage5.block0.project").residual);
  CHECK(layer_of(config, "encoder.fuse.c4").in_channels == 112);
  CHECK(layer_of(config, "encoder.fuse.c4").out_side == 16);
  int depthwise = 0;
  for (const sln::TensorSpec& spec : sln::blob_tensors(config)) {
    if (spec.name != "encoder.stage3.block0.depthwise.weight") continue;
    CHECK(spec.dims == sln::Dims{144, 1, 5, 5});
    ++depthwise;
  }
  CHECK(depthwise == 1);
}

TEST_CASE("Widths of a narrow stem are rounded half up") {
  const Config config = parse_config(replaced(kDemo, "\"stem_channels\":32", "\"stem_channels\":6"), "narrow");
  // 16, 24, 40, 80, 112, 192, 320 times 6 / 32: 3, 4.5, 7.5, 15, 21, 36, 60
  const int expected[] = {3, 5, 8, 15, 21, 36, 60};
  for (int stage = 1; stage <= 7; ++stage)
    CHECK(layer_of(config, "encoder.stage" + std::to_string(stage) + ".block0.project").out_channels ==
          expected[stage - 1]);
}

TEST_CASE("The networks of masks have no global layers and one head") {
  for (const int masks : {1, 2}) {
    const std::string name = masks == 1 ? "\"arcnn\"" : "\"arcnn-visible\"";
    const Config config = parse_config(
        replaced(replaced(kDemo, "\"sln\"", name), "\"layers\":4", "\"layers\":" + std::to_string(masks)), "arcnn");
    CHECK(config.context_channels() == 64);
    CHECK(parameters_of(config, "glm") + parameters_of(config, "ilm") + parameters_of(config, "refine") == 0);
    CHECK(parameters_of(config, "mask") == 5 * (9 * 64 * 64 + 64) + masks * (9 * 64 + 1));
    CHECK(layer_of(config, "rpn.conv").in_channels == 64);
    CHECK(layer_of(config, "mask.conv6").per_roi);
  }
}

TEST_CASE("Shapes that cannot be are refused") {
  CHECK(sln::element_count({2, 3, 4}) == 24);
  CHECK_THROWS_AS(sln::element_count({-1, 3}), sln::Error);
  CHECK_THROWS_AS(sln::element_count({int64_t{1} << 40, int64_t{1} << 40}), sln::Error);
}
