#include "importer/match_parts.h"

#include <algorithm>

namespace sln::importer {
namespace {

const double kMaxConfidence = 1.0 - 1.0 / 1024.0;  // C never reaches 1

}  // namespace

void NetworkParts::read_outputs() {
  for (const Output& output : w_.graph.outputs) outputs_[output.name] = output.value;
  for (const char* name : {"boxes", "scores", "layers", "confidence", "level"}) value(name) = outputs_.at(name);
}

void NetworkParts::match_confidence() {
  const Node& clip = w_.claim(value("confidence"), "Clip", "confidence");
  w_.check(clip, "constant bounds", static_cast<int64_t>(clip.inputs.size()), 1);
  w_.check_real(clip, "min", clip.real("min", -1), 0);
  w_.check_real(clip, "max", clip.real("max", -1), kMaxConfidence);
  const Node& rest = w_.claim(clip.inputs[0], "Sub", "confidence");
  const Node& plane = w_.claim(w_.operand_of(rest, {1.0}, true), "Squeeze", "plane 0 of layers");
  w_.check(plane, "axes", plane.integers("axes", {}), {1});
  match_plane_0(plane);
  w_.prove("confidence", concat("1 - p_0, clipped to 0..", kMaxConfidence));
}

// Plane 0 of the output layers: a slice of it, or, where layers is a concatenation, its first part.
void NetworkParts::match_plane_0(const Node& reader) {
  const ValueId layers = value("layers");
  const Node* joined = w_.graph.producer(layers);
  if (joined != nullptr && joined->op == "Concat" && joined->inputs[0] == reader.inputs[0]) return;
  w_.same(reader, w_.slice(reader.inputs[0], 1, 0, 1, "plane 0 of layers"), layers, "layers");
}

ValueId NetworkParts::match_roi_align(ValueId rois) {
  const Node& node = w_.claim(rois, "RoiAlign", "RoI features");
  w_.check(node, "output_height", node.integer("output_height", 1), c_.roi_side);
  w_.check(node, "output_width", node.integer("output_width", 1), c_.roi_side);
  w_.check(node, "sampling_ratio", node.integer("sampling_ratio", 0), 2);
  w_.check_real(node, "spatial_scale", node.real("spatial_scale", 1.0), 0.25);
  w_.check(node, "mode", node.text("mode", "avg"), "avg");
  w_.check(node, "coordinate_transformation_mode", node.text("coordinate_transformation_mode", "half_pixel"),
           "half_pixel");
  w_.same(node, node.inputs[1], value("boxes"), "boxes of RoiAlign");
  match_batch_index(node.inputs[2]);
  w_.prove("RoiAlign",
           concat(c_.roi_side, " x ", c_.roi_side, " cells, average of 2 x 2 samples, scale 1/4, half_pixel"));
  return node.inputs[0];
}

// Zeros, one per box.
void NetworkParts::match_batch_index(ValueId index) {
  if (const Node* cast = w_.claim_if(index, "Cast")) index = cast->inputs[0];
  if (const Node* squeeze = w_.claim_if(index, "Squeeze")) index = squeeze->inputs[0];
  const Node& zeros = w_.claim(index, "ConstantOfShape", "batch index of RoiAlign");
  const auto found = zeros.attributes.find("value");
  if (found != zeros.attributes.end()) {
    const Array& fill = *std::get<ArrayPtr>(found->second);
    w_.check_real(zeros, "value", is_real(fill.type) ? fill.real.at(0) : static_cast<double>(fill.whole.at(0)), 0);
  }
  const Node& shape = w_.claim(zeros.inputs[0], "Shape", "number of boxes");
  if (shape.integer("start", 0) != 0 || shape.has("end"))
    fail_node(w_.graph, shape, "expected all dimensions, found a range of them");
  const ValueId counted =
      w_.claim_if(shape.inputs[0], "Slice") ? w_.slice(shape.inputs[0], 1, 0, 1, "number of boxes") : shape.inputs[0];
  w_.same(shape, counted, value("boxes"), "boxes");
}

// Output `name` is the one image of the value of that name.
void NetworkParts::match_first(const std::string& name) {
  const ValueId output = outputs_.at(name);
  if (output == value(name)) return;
  const Node* squeeze = w_.claim_if(output, "Squeeze");
  const Node& node = squeeze != nullptr ? *squeeze : w_.claim(output, "Reshape", concat("output ", name));
  if (squeeze != nullptr) w_.check(node, "axes", node.integers("axes", {}), {0});
  ValueId from = node.inputs[0];
  if (from != value(name)) from = w_.slice(from, 0, 0, 1, concat("output ", name));
  w_.same(node, from, value(name), concat("output ", name));
  const Dims& whole = w_.graph.value(value(name)).shape;
  w_.check_shape(node, Dims(whole.begin() + 1, whole.end()));
}

void NetworkParts::match_debug_outputs() {
  for (const char* name : {"features", "rpn_objectness", "rpn_deltas"})
    if (outputs_.count(name) != 0) match_first(name);
  const auto instance = outputs_.find("instance_layers");
  if (instance != outputs_.end() && instance->second != value("instance_layers"))
    fail(ErrorKind::kFormat, w_.graph.source,
         ": output \"instance_layers\": expected the ILM's probabilities, found \"",
         w_.graph.value(instance->second).name, "\"");
}

std::vector<std::string> dense_stages(const Config& config) {
  if (!config.has_global_layers()) return {"features", "rpn_objectness", "rpn_deltas"};
  return {"features", "global_layers", "rpn_objectness", "rpn_deltas"};
}

std::vector<std::string> per_box_stages(const Config& config) {
  if (!config.has_instance_layers()) return {"boxes", "scores", "layers", "confidence", "level"};
  return {"boxes", "scores", "instance_layers", "layers", "confidence", "level"};
}

void check_outputs(const Graph& graph, const Config& config) {
  std::vector<std::string> required = {"boxes", "scores", "layers", "confidence", "level"};
  std::vector<std::string> debug = {"features", "rpn_objectness", "rpn_deltas"};
  if (config.has_global_layers()) required.push_back("global_layers");
  if (config.has_instance_layers()) debug.push_back("instance_layers");
  const auto contains = [](const std::vector<std::string>& list, const std::string& name) {
    return std::find(list.begin(), list.end(), name) != list.end();
  };
  std::vector<std::string> found;
  for (const Output& output : graph.outputs) {
    if (!contains(required, output.name) && !contains(debug, output.name))
      fail(ErrorKind::kFormat, graph.source, ": output \"", output.name,
           "\": expected only outputs of the network, found this one");
    if (contains(found, output.name))
      fail(ErrorKind::kFormat, graph.source, ": output \"", output.name, "\": expected once, found twice");
    found.push_back(output.name);
  }
  for (const std::string& name : required)
    if (!contains(found, name))
      fail(ErrorKind::kFormat, graph.source, ": output \"", name,
           "\": expected among the graph's outputs, found none of that name");
}

}  // namespace sln::importer
