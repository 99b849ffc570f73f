#include "engine/stages/layers.h"

#include <map>

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
    const auto found = table_.find(name);
    if (found == table_.end()) fail(ErrorKind::kInternal, "no layer ", name);
    const Layer& layer = found->second;
    ConvLayer out;
    out.desc.in_channels = layer.in_channels;
    out.desc.out_channels = layer.out_channels;
    out.desc.kernel = layer.kernel;
    out.desc.stride = layer.stride;
    out.desc.pad = layer.pad;
    out.desc.dilation = layer.dilation;
    out.desc.activation = layer.relu ? Activation::kRelu : Activation::kNone;
    out.packed = backend_.pack_conv(out.desc, blob_.tensor(name + ".weight"),
                                    layer.has_bias ? blob_.tensor(name + ".bias") : nullptr);
    bytes_ += static_cast<int64_t>(out.packed->bytes());
    return out;
  }

  ThreeConvLayers three(const std::string& stage) {
    return {conv(stage + ".conv1"), conv(stage + ".conv2"), conv(stage + ".conv3")};
  }

  BottleneckLayers bottleneck(const std::string& prefix) {
    BottleneckLayers block{conv(prefix + "conv1"), conv(prefix + "conv2"), conv(prefix + "conv3"), {}};
    if (has(prefix + "shortcut")) block.shortcut = conv(prefix + "shortcut");
    return block;
  }

  EncoderLayers encoder() {
    EncoderLayers layers;
    layers.stem = conv("encoder.stem");
    for (int stage = 0; stage < 4; ++stage) {
      for (int b = 0; b < blob_.config().blocks[static_cast<size_t>(stage)]; ++b)
        layers.stages[stage].push_back(bottleneck(concat("encoder.stage", stage + 1, ".block", b, ".")));
      layers.fuse[stage] = conv(concat("encoder.fuse.c", stage + 2));
    }
    return layers;
  }

  int64_t bytes() const { return bytes_; }

 private:
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
  layers.glm = packer.three("glm");
  layers.rpn = {packer.conv("rpn.conv"), packer.conv("rpn.objectness"), packer.conv("rpn.deltas")};
  layers.ilm = packer.three("ilm");
  layers.refine = packer.three("refine");
  layers.packed_bytes = packer.bytes();
  return layers;
}

}  // namespace sln
