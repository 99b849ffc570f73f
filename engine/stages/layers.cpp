#include "engine/stages/layers.h"

#include <map>
#include <utility>

#include "engine/error.h"

namespace sln {
namespace {

class Packer {
 public:
  Packer(const Blob& blob, Backend& backend) : blob_(blob), backend_(backend) {
    for (const Layer& layer : layer_table(blob.config())) table_[layer.name] = layer;
  }

  bool has(const std::string& name) const { return table_.count(name) != 0; }

  ConvLayer conv(const std::string& name) {
    const Layer& layer = find(name);
    ConvLayer out;
    out.desc.in_channels = layer.in_channels;
    out.desc.out_channels = layer.out_channels;
    out.desc.kernel = layer.kernel;
    out.desc.stride = layer.stride;
    out.desc.pad = layer.pad;
    out.desc.dilation = layer.dilation;
    out.desc.activation = activation_of(layer);
    out.packed = backend_.pack_conv(out.desc, blob_.tensor(name + ".weight"), bias_of(layer));
    bytes_ += static_cast<int64_t>(out.packed->bytes());
    return out;
  }

  DepthwiseLayer depthwise(const std::string& name) {
    const Layer& layer = find(name);
    DepthwiseLayer out;
    out.desc = {layer.out_channels, layer.kernel, layer.stride, layer.pad, activation_of(layer)};
    out.packed = backend_.pack_depthwise(out.desc, blob_.tensor(name + ".weight"), bias_of(layer));
    bytes_ += static_cast<int64_t>(out.packed->bytes());
    return out;
  }

  ThreeConvLayers three(const std::string& stage) {
    return {conv(stage + ".conv1"), conv(stage + ".conv2"), conv(stage + ".conv3")};
  }

  MaskLayers mask() {
    MaskLayers layers;
    for (int i = 1; has(concat("mask.conv", i)); ++i) layers.convs.push_back(conv(concat("mask.conv", i)));
    return layers;
  }

  EncoderLayers encoder() {
    EncoderLayers layers;
    if (blob_.config().encoder == "resnet") {
      layers.resnet = resnet();
    } else {
      layers.lite = lite();
    }
    layers.fuse = {conv("encoder.fuse.c2"), conv("encoder.fuse.c3"), conv("encoder.fuse.c4"), conv("encoder.fuse.c5")};
    return layers;
  }

  int64_t bytes() const { return bytes_; }

 private:
  const Layer& find(const std::string& name) const {
    const auto found = table_.find(name);
    if (found == table_.end()) fail(ErrorKind::kInternal, "no layer ", name);
    return found->second;
  }

  const float* bias_of(const Layer& layer) const {
    return layer.has_bias ? blob_.tensor(layer.name + ".bias") : nullptr;
  }

  static Activation activation_of(const Layer& layer) {
    return layer.activation == LayerActivation::kNone   ? Activation::kNone
           : layer.activation == LayerActivation::kRelu ? Activation::kRelu
                                                        : Activation::kRelu6;
  }

  // Name of a block's layers; empty beyond the stage's last.
  std::string block_prefix(int stage, size_t block) const {
    const std::vector<int>& blocks = blob_.config().blocks;
    const bool there = static_cast<int>(block) < blocks[static_cast<size_t>(stage)];
    return there ? concat("encoder.stage", stage + 1, ".block", block, ".") : std::string();
  }

  ResNetLayers resnet() {
    ResNetLayers layers;
    layers.stem = conv("encoder.stem");
    for (int stage = 0; stage < 4; ++stage)
      for (std::string prefix; !(prefix = block_prefix(stage, layers.stages[stage].size())).empty();) {
        BottleneckLayers block{conv(prefix + "conv1"), conv(prefix + "conv2"), conv(prefix + "conv3"), {}};
        if (has(prefix + "shortcut")) block.shortcut = conv(prefix + "shortcut");
        layers.stages[stage].push_back(std::move(block));
      }
    return layers;
  }

  LiteLayers lite() {
    LiteLayers layers;
    layers.stem = conv("encoder.stem");
    for (int stage = 0; stage < 7; ++stage)
      for (std::string prefix; !(prefix = block_prefix(stage, layers.stages[stage].size())).empty();) {
        MobileBottleneckLayers block;
        if (has(prefix + "expand")) block.expand = conv(prefix + "expand");
        block.depthwise = depthwise(prefix + "depthwise");
        block.project = conv(prefix + "project");
        block.residual = find(prefix + "project").residual;
        layers.stages[stage].push_back(std::move(block));
      }
    return layers;
  }

  const Blob& blob_;
  Backend& backend_;
  std::map<std::string, Layer> table_;
  int64_t bytes_ = 0;
};

}  // namespace

Layers pack_layers(const Blob& blob, Backend& backend) {
  Packer packer(blob, backend);
  Layers layers;
  layers.encoder = packer.encoder();
  layers.rpn = {packer.conv("rpn.conv"), packer.conv("rpn.objectness"), packer.conv("rpn.deltas")};
  for (const auto& [stage, convs] :
       {std::pair<const char*, ThreeConvLayers*>{"glm", &layers.glm}, {"ilm", &layers.ilm}, {"refine", &layers.refine}})
    if (packer.has(std::string(stage) + ".conv1")) *convs = packer.three(stage);
  layers.mask = packer.mask();
  layers.packed_bytes = packer.bytes();
  return layers;
}

}  // namespace sln
