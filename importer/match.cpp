#include "importer/match.h"

#include <algorithm>

#include "importer/walker.h"

namespace sln::importer {
namespace {

const double kMaxConfidence = 1.0 - 1.0 / 1024.0;  // C never reaches 1

class Network {
 public:
  explicit Network(Walker& walker) : w_(walker), c_(walker.config), planes_(walker.config.layers + 1) {}

  void match() {
    read_outputs();
    match_heads();
    match_splits();
    match_roi_align();
    match_context();
    match_proposals(w_, value("boxes"), value("scores"), context_);
    match_encoder(w_, value("features"));
    match_debug_outputs();
    w_.finish();
  }

 private:
  ValueId& value(const std::string& name) { return w_.result.values[name]; }

  void read_outputs() {
    for (const Output& output : w_.graph.outputs) outputs_[output.name] = output.value;
    for (const char* name : {"boxes", "scores", "layers", "confidence", "level"}) value(name) = outputs_.at(name);
  }

  // Softmax over the planes; returns its logits.
  ValueId softmax(ValueId probabilities, const std::string& role) {
    const Node& node = w_.claim(probabilities, "Softmax", role);
    w_.check(node, role + ", axis", node.integer("axis", -1), 1);
    w_.prove("softmax of " + role, concat("over ", planes_, " planes"));
    return node.inputs[0];
  }

  // The three convolutions of a head; returns their input.
  ValueId three_convolutions(ValueId logits, const std::string& stage) {
    const Node& conv3 = w_.layer(logits, stage + ".conv3");
    const Node& conv2 = w_.layer(conv3.inputs[0], stage + ".conv2");
    return w_.layer(conv2.inputs[0], stage + ".conv1").inputs[0];
  }

  // layers <- softmax <- ILM's logits + Refine's logits
  void match_heads() {
    logits_ = softmax(value("layers"), "layers");
    const Node& sum = w_.claim(logits_, "Add", "sum of the logits");
    const Node* first = w_.graph.producer(sum.inputs[0]);
    // Refine's input is a concatenation, at the far end of its three convolutions.
    const bool refine_first = first != nullptr && behind_three(sum.inputs[0]) == "Concat";
    const ValueId refine = sum.inputs[refine_first ? 0 : 1], ilm = sum.inputs[refine_first ? 1 : 0];
    const ValueId refined_input = three_convolutions(refine, "refine");
    const Node& joined = w_.claim(refined_input, "Concat", "input of Refine");
    w_.check(joined, "axis", joined.integer("axis", 0), 1);
    w_.check(joined, "inputs", static_cast<int64_t>(joined.inputs.size()), 2);
    rois_ = joined.inputs[0];
    match_sem_dist(joined.inputs[1], ilm);
    const ValueId ilm_input = three_convolutions(ilm, "ilm");
    w_.same(joined, rois_, ilm_input, "RoI features");
    w_.prove("refinement", "ILM's logits + Refine's, on RoI features and sem-dist map");
  }

  std::string behind_three(ValueId value) const {
    for (int i = 0; i < 3; ++i) {
      const Node* node = w_.graph.producer(value);
      if (node == nullptr || node->op != "FusedConv") return "";
      value = node->inputs[0];
    }
    const Node* node = w_.graph.producer(value);
    return node == nullptr ? "" : node->op;
  }

  // M = sum over levels of (1 - l) * p
  void match_sem_dist(ValueId map, ValueId ilm_logits) {
    const Node& sum = w_.claim(map, "ReduceSum", "sem-dist map");
    w_.check(sum, "axes", sum.integers("axes", {}), {1});
    w_.check(sum, "keepdims", sum.integer("keepdims", 1), 1);
    const Node& scaled = w_.claim(sum.inputs[0], "Mul", "sem-dist map");
    std::vector<double> gains = {0.0};
    for (int level = 0; level < c_.layers; ++level) gains.push_back(1.0 - level);
    value("instance_layers") = w_.operand_of(scaled, gains);
    const ArrayPtr constant = w_.graph.constant(scaled.inputs[value("instance_layers") == scaled.inputs[0] ? 1 : 0]);
    const bool per_plane = constant->dims == Dims{1, planes_, 1, 1} || constant->dims == Dims{planes_, 1, 1};
    if (!per_plane)
      fail_node(w_.graph, scaled, "gains: expected [1,", planes_, ",1,1], found ", to_string(constant->dims));
    w_.same(scaled, softmax(value("instance_layers"), "instance layers"), ilm_logits, "logits of the ILM");
    w_.prove("sem-dist map", concat("sum of (1 - l) * p over ", c_.layers, " levels"));
  }

  void match_splits() {
    const Node& clip = w_.claim(value("confidence"), "Clip", "confidence");
    w_.check(clip, "constant bounds", static_cast<int64_t>(clip.inputs.size()), 1);
    w_.check_real(clip, "min", clip.real("min", -1), 0);
    w_.check_real(clip, "max", clip.real("max", -1), kMaxConfidence);
    const Node& rest = w_.claim(clip.inputs[0], "Sub", "confidence");
    const Node& plane = w_.claim(w_.operand_of(rest, {1.0}, true), "Squeeze", "plane 0 of layers");
    w_.check(plane, "axes", plane.integers("axes", {}), {1});
    w_.same(plane, w_.slice(plane.inputs[0], 1, 0, 1, "plane 0 of layers"), value("layers"), "layers");
    w_.prove("confidence", concat("1 - p_0, clipped to 0..", kMaxConfidence));
    const Node& cast = w_.claim(value("level"), "Cast", "level");
    w_.check(cast, "to", to_string(w_.graph.value(value("level")).type), "float32");
    const Node& best = w_.claim(cast.inputs[0], "ArgMax", "level");
    w_.check(best, "axis", best.integer("axis", 0), 1);
    w_.check(best, "keepdims", best.integer("keepdims", 1), 0);
    w_.check(best, "select_last_index", best.integer("select_last_index", 0), 0);
    w_.same(best, w_.slice(best.inputs[0], 1, 1, planes_, "planes of the levels"), logits_, "refined logits");
    w_.prove("level", concat("argmax of logits 1..", c_.layers, ", lowest on ties"));
  }

  void match_roi_align() {
    const Node& node = w_.claim(rois_, "RoiAlign", "RoI features");
    w_.check(node, "output_height", node.integer("output_height", 1), c_.roi_side);
    w_.check(node, "output_width", node.integer("output_width", 1), c_.roi_side);
    w_.check(node, "sampling_ratio", node.integer("sampling_ratio", 0), 2);
    w_.check_real(node, "spatial_scale", node.real("spatial_scale", 1.0), 0.25);
    w_.check(node, "mode", node.text("mode", "avg"), "avg");
    w_.check(node, "coordinate_transformation_mode", node.text("coordinate_transformation_mode", "half_pixel"),
             "half_pixel");
    w_.same(node, node.inputs[1], value("boxes"), "boxes of RoiAlign");
    context_ = node.inputs[0];
    match_batch_index(node.inputs[2]);
    w_.prove("RoiAlign",
             concat(c_.roi_side, " x ", c_.roi_side, " cells, average of 2 x 2 samples, scale 1/4, half_pixel"));
  }

  // Zeros, one per box.
  void match_batch_index(ValueId index) {
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

  void match_context() {
    const Node& joined = w_.claim(context_, "Concat", "features and global layers");
    w_.check(joined, "axis", joined.integer("axis", 0), 1);
    w_.check(joined, "inputs", static_cast<int64_t>(joined.inputs.size()), 2);
    value("features") = joined.inputs[0];
    value("global_layers") = joined.inputs[1];
    const ValueId logits = softmax(value("global_layers"), "global layers");
    const ValueId input = three_convolutions(logits, "glm");
    w_.same(joined, input, value("features"), "input of the GLM");
    match_first("global_layers");
    w_.prove("context", "features, then global layers");
  }

  // Output `name` is the one image of the value of that name.
  void match_first(const std::string& name) {
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

  void match_debug_outputs() {
    for (const char* name : {"features", "rpn_objectness", "rpn_deltas"})
      if (outputs_.count(name) != 0) match_first(name);
    const auto instance = outputs_.find("instance_layers");
    if (instance != outputs_.end() && instance->second != value("instance_layers"))
      fail(ErrorKind::kFormat, w_.graph.source,
           ": output \"instance_layers\": expected the ILM's probabilities, found \"",
           w_.graph.value(instance->second).name, "\"");
  }

  Walker& w_;
  const Config& c_;
  const int64_t planes_;  // K + 1
  std::map<std::string, ValueId> outputs_;
  ValueId logits_ = kNoValue, rois_ = kNoValue, context_ = kNoValue;
};

}  // namespace

void check_outputs(const Graph& graph) {
  static const std::vector<std::string> required = {"boxes",      "scores", "layers",
                                                    "confidence", "level",  "global_layers"};
  static const std::vector<std::string> debug = {"features", "rpn_objectness", "rpn_deltas", "instance_layers"};
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

Match match_network(const Graph& graph, const Config& config) {
  check_outputs(graph);
  Walker walker(graph, config);
  Network(walker).match();
  return std::move(walker.result);
}

}  // namespace sln::importer
