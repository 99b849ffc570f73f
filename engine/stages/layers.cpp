#include "engine/stages/layers.h"

#include <algorithm>
#include <map>
#include <set>
#include <utility>
#include <vector>

#include "engine/error.h"
#include "engine/layer_table.h"
#include "engine/stages/rpn.h"

namespace sln {
namespace {

// Walks through the layers. Without memory it only counts the bytes; with a block of so many it packs.
class Packer {
 public:
  Packer(const Blob& blob, Device& device, void* block)
      : blob_(blob), device_(device), block_(static_cast<unsigned char*>(block)) {
    int64_t largest = 0;
    for (const Layer& layer : layer_table(blob.config())) {
      table_[layer.name] = layer;
      largest = std::max(largest, layer.weights());
    }
    // Once for all layers: growing with them would leave the heap in pieces as large.
    if (block != nullptr) weight_.resize(static_cast<size_t>(largest));
  }

  Layers layers() {
    Layers layers;
    layers.encoder = encoder();
    layers.rpn = {conv("rpn.conv"), conv("rpn.objectness"), conv("rpn.deltas")};
    switch (blob_.config().network->kind) {
      case NetworkKind::kSln:
        layers.glm = three("glm");
        layers.ilm = three("ilm");
        layers.refine = three("refine");
        break;
      case NetworkKind::kArcnn:
        layers.mask = mask();
        break;
    }
    layers.anchors = anchors();
    if (packed_.size() != table_.size())
      fail(ErrorKind::kInternal, "expected ", table_.size(), " layers to be packed, found ", packed_.size());
    return layers;
  }

  size_t bytes() const { return bytes_; }

 private:
  bool has(const std::string& name) const { return table_.count(name) != 0; }

  // The next piece of the block.
  void* take(size_t bytes) {
    void* place = block_ == nullptr ? nullptr : block_ + bytes_;
    bytes_ += aligned(bytes);
    return place;
  }

  template <typename Desc>
  PackedWeights pack(const Layer& layer, const Desc& desc) {
    if (!packed_.insert(layer.name).second) fail(ErrorKind::kInternal, "layer ", layer.name, " is packed twice");
    void* to = take(device_.packed_bytes(desc));
    if (to == nullptr) return {};
    const float* bias = layer.has_bias ? read(layer.name + ".bias", bias_) : nullptr;
    return device_.pack(desc, read(layer.name + ".weight", weight_), bias, to);
  }

  // into grows where it has to and is kept for the next layer.
  const float* read(const std::string& name, std::vector<float>& into) const {
    const auto count = static_cast<size_t>(blob_.elements(name));
    if (into.size() < count) into.resize(count);
    blob_.read(name, into.data());
    return into.data();
  }

  const float* anchors() {
    const std::vector<float> values = make_anchors(blob_.config());
    const size_t bytes = values.size() * sizeof(float);
    void* to = take(bytes);
    if (to != nullptr) device_.upload(to, values.data(), bytes);
    return static_cast<const float*>(to);
  }

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
    out.packed = pack(layer, out.desc);
    return out;
  }

  DepthwiseLayer depthwise(const std::string& name) {
    const Layer& layer = find(name);
    DepthwiseLayer out;
    out.desc = {layer.out_channels, layer.kernel, layer.stride, layer.pad, activation_of(layer)};
    out.packed = pack(layer, out.desc);
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
    switch (blob_.config().encoder->kind) {
      case EncoderKind::kResNet:
        layers.resnet = resnet();
        break;
      case EncoderKind::kLite:
        layers.lite = lite();
        break;
    }
    layers.fuse = {conv("encoder.fuse.c2"), conv("encoder.fuse.c3"), conv("encoder.fuse.c4"), conv("encoder.fuse.c5")};
    return layers;
  }

  const Layer& find(const std::string& name) const {
    const auto found = table_.find(name);
    if (found == table_.end()) fail(ErrorKind::kInternal, "no layer ", name);
    return found->second;
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
  Device& device_;
  unsigned char* block_;
  std::map<std::string, Layer> table_;
  std::set<std::string> packed_;      // names of its layers
  std::vector<float> weight_, bias_;  // of the layer that is being packed
  size_t bytes_ = 0;
};

}  // namespace

PackedLayers pack_layers(const Blob& blob, std::shared_ptr<Device> device) {
  Packer counter(blob, *device, nullptr);
  counter.layers();
  PackedLayers packed;
  packed.memory = DeviceMemory(*device, counter.bytes());
  packed.layers = Packer(blob, *device, packed.memory.data()).layers();
  packed.device = std::move(device);
  return packed;
}

}  // namespace sln
