// The networks "arcnn" and "arcnn-visible": RPN and RoI head on the features alone, and a head that ends in masks.
#include "importer/match_parts.h"

namespace sln::importer {
namespace {

class MaskNetwork : public NetworkParts {
 public:
  explicit MaskNetwork(Walker& walker) : NetworkParts(walker) {}

  void match() {
    read_outputs();
    match_planes();
    match_confidence();
    match_level();
    const ValueId rois = match_head();
    value("features") = match_roi_align(rois);
    match_proposals(w_, value("boxes"), value("scores"), value("features"));
    w_.prove("context", "features alone");
    match_encoder(w_, value("features"));
    match_debug_outputs();
    w_.finish();
  }

 private:
  // Channel `index` of the head's logits, a slice, or all of it where there is no other. The first use learns which
  // value the logits are.
  void match_logit(const Node& reader, ValueId channel, int64_t index, const std::string& role) {
    if (c_.layers == 1 && w_.graph.producer(channel) != nullptr && w_.graph.producer(channel)->op == "FusedConv") {
      same_logits(reader, channel, role);
      return;
    }
    same_logits(reader, w_.slice(channel, 1, index, index + 1, role), role);
  }

  void same_logits(const Node& reader, ValueId found, const std::string& role) {
    if (logits_ == kNoValue) logits_ = found;
    w_.same(reader, found, logits_, role);
  }

  // sigmoid of a channel of the logits; returns the probability's value.
  void match_sigmoid(ValueId probability, int64_t index, const std::string& role) {
    const Node& node = w_.claim(probability, "Sigmoid", role);
    match_logit(node, node.inputs[0], index, "logit of the " + role);
  }

  // Checks that `value` is 1 - probability.
  void match_rest(ValueId value, ValueId probability, const std::string& role) {
    const Node& node = w_.claim(value, "Sub", role);
    w_.same(node, w_.operand_of(node, {1.0}, true), probability, role);
  }

  // The factor of a product whose other factor is `known`.
  ValueId other_factor(ValueId product, ValueId known, const std::string& role) {
    const Node& node = w_.claim(product, "Mul", role);
    if (node.inputs[0] != known) w_.same(node, node.inputs[1], known, role);
    return node.inputs[node.inputs[0] == known ? 1 : 0];
  }

  // One mask: 1 - a, a. Two: 1 - a, a * v, a * (1 - v).
  void match_planes() {
    const Node& joined = w_.claim(value("layers"), "Concat", "layers");
    w_.check(joined, "axis", joined.integer("axis", 0), 1);
    w_.check(joined, "inputs", static_cast<int64_t>(joined.inputs.size()), planes_);
    const Node& rest = w_.claim(joined.inputs[0], "Sub", "plane 0 of layers");
    const ValueId amodal = w_.operand_of(rest, {1.0}, true);
    match_sigmoid(amodal, 0, "amodal mask");
    if (c_.layers == 1) {
      w_.same(joined, joined.inputs[1], amodal, "plane 1 of layers");
      w_.prove("layers", "1 - a, a; a = sigmoid of the logit");
      return;
    }
    const ValueId visible = other_factor(joined.inputs[1], amodal, "plane 1 of layers");
    match_sigmoid(visible, 1, "visible part");
    match_rest(other_factor(joined.inputs[2], amodal, "plane 2 of layers"), visible, "plane 2 of layers");
    w_.prove("layers", "1 - a, a v, a (1 - v); a, v = sigmoids of the two logits");
  }

  void match_level() {
    if (c_.layers == 1) return match_no_level();
    const Node& cast = w_.claim(value("level"), "Cast", "level");
    w_.check(cast, "to", to_string(w_.graph.value(value("level")).type), "float32");
    const Node& less = w_.claim(cast.inputs[0], "Less", "level");
    const Node& plane = w_.claim(w_.operand_of(less, {0.0}), "Squeeze", "logit of the visible part");
    w_.same(less, less.inputs[0], plane.outputs[0], "logit of the visible part, on the left of Less");
    w_.check(plane, "axes", plane.integers("axes", {}), {1});
    match_logit(plane, plane.inputs[0], 1, "logit of the visible part");
    w_.prove("level", "1 where the visible part's logit is below 0, else 0");
  }

  // Zeros of the mask's shape.
  void match_no_level() {
    const Node& zeros = w_.claim(value("level"), "ConstantOfShape", "level");
    const auto found = zeros.attributes.find("value");
    if (found != zeros.attributes.end()) {
      const Array& fill = *std::get<ArrayPtr>(found->second);
      w_.check(zeros, "type", to_string(fill.type), "float32");
      w_.check_real(zeros, "value", is_real(fill.type) ? fill.real.at(0) : static_cast<double>(fill.whole.at(0)), 0);
    }
    const Node& shape = w_.claim(zeros.inputs[0], "Shape", "shape of the level");
    if (shape.integer("start", 0) != 0 || shape.has("end"))
      fail_node(w_.graph, shape, "expected all dimensions, found a range of them");
    const Node& plane = w_.claim(shape.inputs[0], "Squeeze", "shape of the level");
    w_.check(plane, "axes", plane.integers("axes", {}), {1});
    match_logit(plane, plane.inputs[0], 0, "shape of the level");
    w_.prove("level", "0 everywhere");
  }

  // The chain of convolutions; returns the RoI features.
  ValueId match_head() {
    int last = 0;
    for (const Layer& layer : layer_table(c_)) last += layer.stage == "mask" ? 1 : 0;
    ValueId at = logits_;
    for (int i = last; i >= 1; --i) at = w_.layer(at, concat("mask.conv", i)).inputs[0];
    return at;
  }

  ValueId logits_ = kNoValue;
};

}  // namespace

void match_mask_network(Walker& walker) {
  MaskNetwork(walker).match();
}

}  // namespace sln::importer
