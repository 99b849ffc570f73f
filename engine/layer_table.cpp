#include "engine/layer_table.h"

#include <algorithm>

#include "engine/error.h"

namespace sln {
namespace {

constexpr int kExpansion = 4;         // output channels of a ResNet bottleneck / its width
constexpr int kLiteStem = 32;         // stem for which kLiteStages gives the channels
constexpr int kMaskConvolutions = 6;  // as many as ILM and refinement have together

// Channels of a stage of EfficientNet-lite for a stem of `stem`: rounded half up, at least 1.
int lite_channels(int published, int stem) {
  return std::max(1, (2 * published * stem + kLiteStem) / (2 * kLiteStem));
}

// Where C2..C5 come from.
struct EncoderMap {
  int channels = 0;
  int side = 0;
};

class Builder {
 public:
  explicit Builder(const Config& config) : config_(config) {}

  std::vector<Layer> build() {
    switch (config_.encoder->kind) {
      case EncoderKind::kResNet:
        resnet();
        break;
      case EncoderKind::kLite:
        lite();
        break;
    }
    fuse();
    switch (config_.network->kind) {
      case NetworkKind::kSln:
        sln();
        break;
      case NetworkKind::kArcnn:
        arcnn();
        break;
    }
    return std::move(layers_);
  }

 private:
  Layer& add(const std::string& stage, const std::string& name, int in, int out, int kernel, int out_side,
             bool per_roi = false) {
    Layer layer;
    layer.name = stage + "." + name;
    layer.stage = stage;
    layer.in_channels = in;
    layer.out_channels = out;
    layer.kernel = kernel;
    layer.pad = layer.pad_after = kernel / 2;
    layer.out_side = out_side;
    layer.per_roi = per_roi;
    layer.macs = layer.weights() * out_side * out_side * (per_roi ? config_.max_rois : 1);
    layers_.push_back(layer);
    return layers_.back();
  }

  // ---- The networks.

  void sln() {
    const int f = config_.feature_channels;
    const int planes = config_.layers + 1;
    chain("glm", 3, f, planes, false);
    rpn();
    chain("ilm", 3, f + planes, planes, true);
    chain("refine", 3, f + planes + 1, planes, true);
  }

  void arcnn() {
    rpn();
    chain("mask", kMaskConvolutions, config_.feature_channels, config_.layers, true);
  }

  // `count` 3x3 convolutions with ReLU after all but the last, on the features or on each RoI.
  void chain(const std::string& stage, int count, int in, int out, bool per_roi) {
    const int side = per_roi ? config_.roi_side : config_.map_side();
    for (int i = 1; i < count; ++i) {
      add(stage, concat("conv", i), in, config_.head_channels, 3, side, per_roi).activation = LayerActivation::kRelu;
      in = config_.head_channels;
    }
    add(stage, concat("conv", count), in, out, 3, side, per_roi);
  }

  void rpn() {
    const int a = config_.anchors_per_cell();
    add("rpn", "conv", config_.context_channels(), config_.rpn_channels, 3, config_.grid()).activation =
        LayerActivation::kRelu;
    add("rpn", "objectness", config_.rpn_channels, a, 1, config_.grid());
    add("rpn", "deltas", config_.rpn_channels, 4 * a, 1, config_.grid());
  }

  // ---- The encoders. Each leaves C2..C5 in maps_.

  void resnet() {
    Layer& stem = add("encoder", "stem", 3, config_.stem_channels, 7, config_.side / 2);
    stem.stride = 2;
    stem.activation = LayerActivation::kRelu;
    int in = config_.stem_channels;
    for (int stage = 1; stage <= 4; ++stage) {
      const int channels = (config_.stem_channels << (stage - 1)) * kExpansion;
      const int side = config_.side >> (stage + 1);
      for (int block = 0; block < config_.blocks[static_cast<size_t>(stage - 1)]; ++block) {
        bottleneck(stage, block, in, channels, side);
        in = channels;
      }
      maps_[stage - 1] = {channels, side};
    }
  }

  // The stride is in the 3x3; the last stage's 3x3 are dilated by 2, the strided one included.
  void bottleneck(int stage, int block, int in, int out, int side) {
    const std::string prefix = concat("stage", stage, ".block", block, ".");
    const int width = config_.stem_channels << (stage - 1);
    const int stride = block == 0 && stage > 1 ? 2 : 1;
    add("encoder", prefix + "conv1", in, width, 1, side * stride).activation = LayerActivation::kRelu;
    Layer& conv2 = add("encoder", prefix + "conv2", width, width, 3, side);
    conv2.stride = stride;
    conv2.dilation = conv2.pad = conv2.pad_after = stage == 4 ? 2 : 1;
    conv2.activation = LayerActivation::kRelu;
    if (block == 0) add("encoder", prefix + "shortcut", in, out, 1, side).stride = stride;
    Layer& conv3 = add("encoder", prefix + "conv3", width, out, 1, side);
    conv3.activation = LayerActivation::kRelu;
    conv3.residual = true;
  }

  void lite() {
    int in = config_.stem_channels;
    int side = config_.side / 2;
    Layer& stem = add("encoder", "stem", 3, in, 3, side);
    pad_strided(stem);
    stem.activation = LayerActivation::kRelu6;
    int map = 0;
    for (int stage = 1; stage <= 7; ++stage) {
      const LiteStage& shape = kLiteStages[stage - 1];
      const int out = lite_channels(shape.channels, config_.stem_channels);
      for (int block = 0; block < config_.blocks[static_cast<size_t>(stage - 1)]; ++block) {
        const int stride = block == 0 ? shape.stride : 1;
        side /= stride;
        mobile_bottleneck(concat("stage", stage, ".block", block, "."), shape, stride, in, out, side);
        in = out;
      }
      if (stage == kLiteMaps[map]) maps_[map++] = {out, side};
    }
  }

  // 1x1 expand, depthwise, 1x1 project; the sum with the block's input has no activation behind it.
  void mobile_bottleneck(const std::string& prefix, const LiteStage& shape, int stride, int in, int out, int side) {
    const int width = in * shape.expansion;
    if (shape.expansion != 1)
      add("encoder", prefix + "expand", in, width, 1, side * stride).activation = LayerActivation::kRelu6;
    Layer& depthwise = add("encoder", prefix + "depthwise", width, width, shape.kernel, side);
    depthwise.groups = width;
    depthwise.macs = depthwise.weights() * side * side;
    if (stride == 2) pad_strided(depthwise);
    depthwise.activation = LayerActivation::kRelu6;
    add("encoder", prefix + "project", width, out, 1, side).residual = stride == 1 && in == out;
  }

  // Stride 2 with k - 2 zeros in all, fewer before the map than after it.
  static void pad_strided(Layer& layer) {
    layer.stride = 2;
    layer.pad = (layer.kernel - 2) / 2;
    layer.pad_after = layer.kernel - 2 - layer.pad;
  }

  void fuse() {
    for (int map = 0; map < 4; ++map) {
      Layer& slice =
          add("encoder", concat("fuse.c", map + 2), maps_[map].channels, config_.feature_channels, 1, maps_[map].side);
      slice.has_bias = slice.residual = map == 0;
      if (map == 0) slice.activation = LayerActivation::kRelu;
    }
  }

  const Config& config_;
  EncoderMap maps_[4];
  std::vector<Layer> layers_;
};

}  // namespace

const char* to_string(LayerActivation activation) {
  return activation == LayerActivation::kNone ? "none" : activation == LayerActivation::kRelu ? "ReLU" : "ReLU6";
}

std::vector<Layer> layer_table(const Config& config) {
  return Builder(config).build();
}

std::vector<TensorSpec> blob_tensors(const Config& config) {
  std::vector<TensorSpec> specs;
  for (const Layer& layer : layer_table(config)) {
    specs.push_back(
        {layer.name + ".weight", {layer.out_channels, layer.in_channels / layer.groups, layer.kernel, layer.kernel}});
    if (layer.has_bias) specs.push_back({layer.name + ".bias", {layer.out_channels}});
  }
  return specs;
}

}  // namespace sln
