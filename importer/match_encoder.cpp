// Encoder: the fuse at low resolution, and the pages of the encoders behind it, back to the image.
#include "importer/walker.h"

namespace sln::importer {
namespace {

void check_resize(const Walker& walker, const Node& node) {
  const std::string who = "resize to stride 4, ";
  walker.check(node, who + "mode", node.text("mode", "nearest"), "linear");
  walker.check(node, who + "coordinate_transformation_mode", node.text("coordinate_transformation_mode", "half_pixel"),
               "half_pixel");
  walker.check(node, who + "antialias", node.integer("antialias", 0), 0);
  walker.check(node, who + "exclude_outside", node.integer("exclude_outside", 0), 0);
  walker.check(node, who + "keep_aspect_ratio_policy", node.text("keep_aspect_ratio_policy", "stretch"), "stretch");
  if (node.inputs.size() != 1 || node.has("axes") || node.integers("sizes", {}).size() != 4)
    fail_node(walker.graph, node, who, "expected four constant sizes, found scales or axes");
  const int64_t side = walker.config.map_side();
  const auto sizes = node.integers("sizes", {});
  walker.check(node, who + "sizes", std::vector<int64_t>{sizes[2], sizes[3]}, std::vector<int64_t>{side, side});
}

// The input of the bottleneck whose output is `value`.
ValueId match_bottleneck(Walker& walker, ValueId value, const std::string& name, bool has_shortcut) {
  const Node& conv3 = walker.layer(value, name + ".conv3");
  const Node& conv2 = walker.layer(conv3.inputs[0], name + ".conv2");
  const Node& conv1 = walker.layer(conv2.inputs[0], name + ".conv1");
  const ValueId input = conv1.inputs[0];
  if (has_shortcut) {
    const Node& shortcut = walker.layer(conv3.inputs[3], name + ".shortcut");
    walker.same(shortcut, shortcut.inputs[0], input, concat("input of the block ", name));
  } else {
    walker.same(conv3, conv3.inputs[3], input, concat("identity of the block ", name));
  }
  return input;
}

void match_image(Walker& walker, const Node& stem) {
  if (walker.graph.inputs.size() != 1 || walker.graph.value(walker.graph.inputs[0]).name != "image")
    fail(ErrorKind::kFormat, walker.graph.source, ": graph inputs: expected one, \"image\", found ",
         walker.graph.inputs.size());
  walker.same(stem, stem.inputs[0], walker.graph.inputs[0], "input of the stem");
  const Value& image = walker.graph.value(walker.graph.inputs[0]);
  const int64_t side = walker.config.side;
  if (image.type != DataType::kFloat32 || !image.has_shape || image.shape != Dims{1, 3, side, side})
    fail(ErrorKind::kFormat, walker.graph.source, ": input \"image\": expected float32 ",
         to_string(Dims{1, 3, side, side}), ", found ", to_string(image.type), " ", to_string(image.shape));
  walker.prove("canvas", concat("image, float32 ", to_string(image.shape)));
}

// ResNet: the pool, and the stem in front of it.
void match_stem(Walker& walker, ValueId value) {
  const Node& pool = walker.claim(value, "MaxPool", "pool behind the stem");
  walker.check(pool, "kernel_shape", pool.integers("kernel_shape", {}), {3, 3});
  walker.check(pool, "strides", pool.integers("strides", {1, 1}), {2, 2});
  walker.check(pool, "pads", pool.integers("pads", {0, 0, 0, 0}), {1, 1, 1, 1});
  walker.check(pool, "dilations", pool.integers("dilations", {1, 1}), {1, 1});
  walker.check(pool, "ceil_mode", pool.integer("ceil_mode", 0), 0);
  walker.check(pool, "auto_pad", pool.text("auto_pad", "NOTSET"), "NOTSET");
  walker.prove("max pool", "3 x 3, stride 2, padding 1");
  const Node& stem = walker.layer(pool.inputs[0], "encoder.stem");
  match_image(walker, stem);
}

// C2..C5 in this order, from the features back.
std::vector<ValueId> match_fuse(Walker& walker, ValueId features) {
  const Node& main = walker.layer(features, "encoder.fuse.c2");
  const Node& outer = walker.claim(main.inputs[3], "Add", "sum of the enlarged maps");
  const Node& inner = walker.claim(outer.inputs[0], "Add", "sum of the enlarged maps");
  std::vector<ValueId> maps = {main.inputs[0]};
  const ValueId enlarged[3] = {inner.inputs[0], inner.inputs[1], outer.inputs[1]};
  for (int i = 0; i < 3; ++i) {
    const Node& resize = walker.claim(enlarged[i], "Resize", concat("enlarged map C", i + 3));
    const Node& slice = walker.layer(resize.inputs[0], concat("encoder.fuse.c", i + 3));
    maps.push_back(slice.inputs[0]);
  }
  walker.prove("fuse",
               concat("C2, C3, C4, C5 in this order; resize linear, half_pixel, to ", walker.config.map_side()));
  return maps;
}

// `found` is where the walk has come to; it must be the map that the fuse reads.
void same_map(Walker& walker, ValueId found, ValueId map, int number) {
  if (found != map) walker.same(*walker.graph.producer(map), map, found, concat("map C", number, " of the fuse"));
}

void match_resnet(Walker& walker, const std::vector<ValueId>& maps) {
  ValueId value = maps[3];
  for (int stage = 4; stage >= 1; --stage) {
    same_map(walker, value, maps[static_cast<size_t>(stage - 1)], stage + 1);
    for (int block = walker.config.blocks[static_cast<size_t>(stage - 1)] - 1; block >= 0; --block)
      value = match_bottleneck(walker, value, concat("encoder.stage", stage, ".block", block), block == 0);
  }
  match_stem(walker, value);
}

// The input of the inverted bottleneck whose output is `value`.
ValueId match_mobile_bottleneck(Walker& walker, ValueId value, const std::string& name) {
  const Node& project = walker.layer(value, name + ".project");
  const Node& depthwise = walker.layer(project.inputs[0], name + ".depthwise");
  ValueId input = depthwise.inputs[0];
  if (walker.has_layer(name + ".expand")) input = walker.layer(input, name + ".expand").inputs[0];
  if (project.input(3) != kNoValue)
    walker.same(project, project.inputs[3], input, concat("identity of the block ", name));
  return input;
}

void match_lite(Walker& walker, const std::vector<ValueId>& maps) {
  ValueId value = maps[3];
  int map = 3;
  for (int stage = 7; stage >= 1; --stage) {
    if (map >= 0 && kLiteMaps[map] == stage) {
      same_map(walker, value, maps[static_cast<size_t>(map)], map + 2);
      --map;
    }
    for (int block = walker.config.blocks[static_cast<size_t>(stage - 1)] - 1; block >= 0; --block)
      value = match_mobile_bottleneck(walker, value, concat("encoder.stage", stage, ".block", block));
  }
  match_image(walker, walker.layer(value, "encoder.stem"));
}

}  // namespace

void match_encoder(Walker& walker, ValueId features) {
  // First, since the low-resolution fuse leaves any other resize alone and the structure would then be blamed.
  for (const auto& node : walker.graph.nodes)
    if (node->op == "Resize") check_resize(walker, *node);
  const std::vector<ValueId> maps = match_fuse(walker, features);
  switch (walker.config.encoder->kind) {
    case EncoderKind::kResNet:
      match_resnet(walker, maps);
      break;
    case EncoderKind::kLite:
      match_lite(walker, maps);
      break;
  }
}

}  // namespace sln::importer
