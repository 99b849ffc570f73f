#include "importer/match.h"

#include "importer/match_parts.h"

namespace sln::importer {
namespace {

class LayeredNetwork : public NetworkParts {
 public:
  explicit LayeredNetwork(Walker& walker) : NetworkParts(walker) {}

  void match() {
    read_outputs();
    match_heads();
    match_confidence();
    match_level();
    context_ = match_roi_align(rois_);
    match_context();
    match_proposals(w_, value("boxes"), value("scores"), context_);
    match_encoder(w_, value("features"));
    match_debug_outputs();
    w_.finish();
  }

 private:
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

  void match_level() {
    const Node& cast = w_.claim(value("level"), "Cast", "level");
    w_.check(cast, "to", to_string(w_.graph.value(value("level")).type), "float32");
    const Node& best = w_.claim(cast.inputs[0], "ArgMax", "level");
    w_.check(best, "axis", best.integer("axis", 0), 1);
    w_.check(best, "keepdims", best.integer("keepdims", 1), 0);
    w_.check(best, "select_last_index", best.integer("select_last_index", 0), 0);
    w_.same(best, w_.slice(best.inputs[0], 1, 1, planes_, "planes of the levels"), logits_, "refined logits");
    w_.prove("level", concat("argmax of logits 1..", c_.layers, ", lowest on ties"));
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

  ValueId logits_ = kNoValue, rois_ = kNoValue, context_ = kNoValue;
};

}  // namespace

Match match_network(const Graph& graph, const Config& config) {
  check_outputs(graph, config);
  Walker walker(graph, config);
  switch (config.network->kind) {
    case NetworkKind::kSln:
      LayeredNetwork(walker).match();
      break;
    case NetworkKind::kArcnn:
      match_mask_network(walker);
      break;
  }
  return std::move(walker.result);
}

}  // namespace sln::importer
