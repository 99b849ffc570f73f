#include "engine/layer_table.h"

#include "engine/error.h"

namespace sln {
namespace {

constexpr int kExpansion = 4;  // output channels of a bottleneck / its width

class Builder {
 public:
  explicit Builder(const Config& config) : config_(config) {}

  std::vector<Layer> build() {
    encoder();
    fuse();
    const int f = config_.feature_channels;
    const int planes = config_.layers + 1;
    three_convs("glm", f, config_.map_side());
    rpn(f + planes);
    three_convs("ilm", f + planes, config_.roi_side);
    three_convs("refine", f + planes + 1, config_.roi_side);
    return std::move(layers_);
  }

 private:
  Layer& add(const std::string& stage, const std::string& name, int in, int out, int kernel, int out_side) {
    Layer layer;
    layer.name = stage + "." + name;
    layer.stage = stage;
    layer.in_channels = in;
    layer.out_channels = out;
    layer.kernel = kernel;
    layer.pad = kernel / 2;
    layer.out_side = out_side;
    layer.per_roi = stage == "ilm" || stage == "refine";
    layer.macs =
        static_cast<int64_t>(in) * out * kernel * kernel * out_side * out_side * (layer.per_roi ? config_.max_rois : 1);
    layers_.push_back(layer);
    return layers_.back();
  }

  void encoder() {
    Layer& stem = add("encoder", "stem", 3, config_.stem_channels, 7, config_.side / 2);
    stem.stride = 2;
    stem.relu = true;
    int in = config_.stem_channels;
    for (int stage = 1; stage <= 4; ++stage) {
      for (int block = 0; block < config_.blocks[static_cast<size_t>(stage - 1)]; ++block) {
        bottleneck(stage, block, in);
        in = stage_channels(stage);
      }
    }
  }

  int stage_channels(int stage) const { return (config_.stem_channels << (stage - 1)) * kExpansion; }
  int stage_side(int stage) const { return config_.side >> (stage + 1); }

  // The stride is in the 3x3; the last stage's 3x3 are dilated by 2, the strided one included.
  void bottleneck(int stage, int block, int in) {
    const std::string prefix = concat("stage", stage, ".block", block, ".");
    const int width = config_.stem_channels << (stage - 1);
    const int out = stage_channels(stage);
    const int stride = block == 0 && stage > 1 ? 2 : 1;
    const int side = stage_side(stage);
    add("encoder", prefix + "conv1", in, width, 1, side * stride).relu = true;
    Layer& conv2 = add("encoder", prefix + "conv2", width, width, 3, side);
    conv2.stride = stride;
    conv2.dilation = conv2.pad = stage == 4 ? 2 : 1;
    conv2.relu = true;
    if (block == 0) add("encoder", prefix + "shortcut", in, out, 1, side).stride = stride;
    Layer& conv3 = add("encoder", prefix + "conv3", width, out, 1, side);
    conv3.relu = conv3.residual = true;
  }

  void fuse() {
    for (int stage = 1; stage <= 4; ++stage) {
      Layer& slice = add("encoder", concat("fuse.c", stage + 1), stage_channels(stage), config_.feature_channels, 1,
                         stage_side(stage));
      slice.has_bias = slice.relu = slice.residual = stage == 1;
    }
  }

  void three_convs(const std::string& stage, int in, int side) {
    const int h = config_.head_channels;
    add(stage, "conv1", in, h, 3, side).relu = true;
    add(stage, "conv2", h, h, 3, side).relu = true;
    add(stage, "conv3", h, config_.layers + 1, 3, side);
  }

  void rpn(int in) {
    const int a = config_.anchors_per_cell();
    add("rpn", "conv", in, config_.rpn_channels, 3, config_.grid()).relu = true;
    add("rpn", "objectness", config_.rpn_channels, a, 1, config_.grid());
    add("rpn", "deltas", config_.rpn_channels, 4 * a, 1, config_.grid());
  }

  const Config& config_;
  std::vector<Layer> layers_;
};

}  // namespace

std::vector<Layer> layer_table(const Config& config) {
  return Builder(config).build();
}

std::vector<TensorSpec> blob_tensors(const Config& config) {
  std::vector<TensorSpec> specs;
  for (const Layer& layer : layer_table(config)) {
    specs.push_back({layer.name + ".weight", {layer.out_channels, layer.in_channels, layer.kernel, layer.kernel}});
    if (layer.has_bias) specs.push_back({layer.name + ".bias", {layer.out_channels}});
  }
  return specs;
}

int64_t element_count(const Dims& dims) {
  int64_t count = 1;
  for (const int64_t dim : dims)
    if (dim < 0 || __builtin_mul_overflow(count, dim, &count))
      fail(ErrorKind::kFormat, "a tensor of shape ", to_string(dims), " cannot be: negative or too large");
  return count;
}

std::string to_string(const Dims& dims) {
  std::string text = "[";
  for (size_t i = 0; i < dims.size(); ++i) text += concat(i ? "," : "", dims[i]);
  return text + "]";
}

}  // namespace sln
