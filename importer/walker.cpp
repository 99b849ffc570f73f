#include "importer/walker.h"

#include <algorithm>
#include <cmath>

namespace sln::importer {
namespace {

std::string describe(const Graph& graph, ValueId value) {
  if (value == kNoValue) return "nothing";
  if (const Node* node = graph.producer(value)) return concat("node \"", node->name, "\" (", node->source_op, ")");
  return concat(graph.constant(value) ? "the constant \"" : "the graph input \"", graph.value(value).name, "\"");
}

bool all_finite(const Array& array) {
  return std::all_of(array.real.begin(), array.real.end(),
                     [](double x) { return std::isfinite(static_cast<float>(x)); });
}

}  // namespace

Walker::Walker(const Graph& graph_, const Config& config_) : graph(graph_), config(config_) {
  for (const Layer& entry : layer_table(config)) table_[entry.name] = entry;
  const auto exporter = graph.metadata.find("sln.exporter");
  zero_biases_dropped_ = exporter != graph.metadata.end() && exporter->second.rfind("dynamo", 0) == 0;
}

const Node* Walker::claim_if(ValueId value, const std::string& op) {
  const Node* node = graph.producer(value);
  if (node == nullptr || node->op != op) return nullptr;
  claimed.insert(node);
  return node;
}

const Node& Walker::claim(ValueId value, const std::string& op, const std::string& role) {
  if (const Node* node = claim_if(value, op)) return *node;
  throw StructureError(concat(graph.source, ": ", role, ": expected ", op, ", found ", describe(graph, value)));
}

void Walker::same(const Node& node, ValueId found, ValueId expected, const std::string& what) {
  if (found == expected) return;
  throw StructureError(concat(graph.source, ": node \"", node.name, "\" (", node.source_op, "): ", what, ": expected ",
                              describe(graph, expected), ", found ", describe(graph, found)));
}

void Walker::check(const Node& node, const std::string& what, int64_t found, int64_t expected) const {
  if (found != expected) fail_node(graph, node, what, ": expected ", expected, ", found ", found);
}

void Walker::check(const Node& node, const std::string& what, const std::vector<int64_t>& found,
                   const std::vector<int64_t>& expected) const {
  if (found != expected) fail_node(graph, node, what, ": expected ", to_string(expected), ", found ", to_string(found));
}

void Walker::check(const Node& node, const std::string& what, const std::string& found,
                   const std::string& expected) const {
  if (found != expected) fail_node(graph, node, what, ": expected ", expected, ", found ", found);
}

void Walker::check_real(const Node& node, const std::string& what, double found, double expected) const {
  if (static_cast<float>(found) != static_cast<float>(expected))
    fail_node(graph, node, what, ": expected ", static_cast<float>(expected), ", found ", static_cast<float>(found));
}

void Walker::judge_shape(const Node& node, const Dims& expected) const {
  const Value& value = graph.value(node.outputs[0]);
  bool fits = value.has_shape && value.shape.size() == expected.size();
  for (size_t i = 0; fits && i < expected.size(); ++i)
    fits = expected[i] == kUnknownDim || expected[i] == value.shape[i];
  if (!fits)
    fail_node(graph, node, "output shape: expected ", to_string(expected), ", found ",
              value.has_shape ? to_string(value.shape) : std::string("an unknown one"));
}

ValueId Walker::operand_of(const Node& node, const std::vector<double>& expected, bool constant_first) const {
  const bool first = graph.constant(node.inputs[0]) != nullptr;
  const ArrayPtr constant = graph.constant(node.inputs[first ? 0 : 1]);
  if (!constant || !is_real(constant->type) || (constant_first && !first))
    throw StructureError(concat(graph.source, ": node \"", node.name, "\" (", node.source_op,
                                "): expected a constant operand, found ", describe(graph, node.inputs[first ? 0 : 1])));
  if (constant->real.size() != expected.size())
    fail_node(graph, node, "constant operand: expected ", expected.size(), " elements, found shape ",
              to_string(constant->dims));
  for (size_t i = 0; i < expected.size(); ++i)
    check_real(node, concat("constant operand, element ", i), constant->real[i], expected[i]);
  return node.inputs[first ? 1 : 0];
}

ValueId Walker::slice(ValueId value, int64_t axis, int64_t start, int64_t end, const std::string& role) {
  const Node& node = claim(value, "Slice", role);
  if (node.inputs.size() != 1 || node.has("steps"))
    fail_node(graph, node, role, ": expected constant bounds and steps of 1, found others");
  check(node, role + ", axes", node.integers("axes", {}), {axis});
  check(node, role + ", starts", node.integers("starts", {}), {start});
  check(node, role + ", ends", node.integers("ends", {}), {end});
  return node.inputs[0];
}

void Walker::check_layer(const Node& node, const Layer& expected) const {
  const std::string who = concat("layer ", expected.name, ", ");
  const int64_t k = expected.kernel, s = expected.stride, p = expected.pad, after = expected.pad_after,
                d = expected.dilation;
  const Value& weight = graph.value(node.inputs[1]);
  check(node, who + "group", node.integer("group", 1), expected.groups);
  check(node, who + "weight shape", weight.shape,
        {expected.out_channels, expected.in_channels / expected.groups, k, k});
  check(node, who + "kernel_shape", node.integers("kernel_shape", {k, k}), {k, k});
  check(node, who + "strides", node.integers("strides", {1, 1}), {s, s});
  check(node, who + "pads", node.integers("pads", {0, 0, 0, 0}), {p, p, after, after});
  check(node, who + "dilations", node.integers("dilations", {1, 1}), {d, d});
  check(node, who + "auto_pad", node.text("auto_pad", "NOTSET"), "NOTSET");
  const int64_t code = node.integer("activation", 0);
  const auto found = code == 0 ? LayerActivation::kNone : code == 1 ? LayerActivation::kRelu : LayerActivation::kRelu6;
  check(node, who + "activation", std::string(to_string(found)), to_string(expected.activation));
  if ((node.input(3) != kNoValue) != expected.residual)
    fail_node(graph, node, who, "residual: expected ", expected.residual ? "one" : "none", ", found ",
              describe(graph, node.input(3)));
}

void Walker::check_weights(const Node& node, const Layer& expected, const ArrayPtr& weight, const ArrayPtr& bias) {
  if (!weight || !is_real(weight->type))
    fail_node(graph, node, "layer ", expected.name, ", weight: expected a float constant, found ",
              describe(graph, node.inputs[1]));
  if (!all_finite(*weight))
    fail_node(graph, node, "layer ", expected.name, ", weight: expected finite values, found others");
  if (node.input(2) == kNoValue && !expected.has_bias) return;
  if (node.input(2) == kNoValue) {
    if (!zero_biases_dropped_)
      fail_node(graph, node, "layer ", expected.name, ", bias: expected [", expected.out_channels, "], found none");
    result.notes.push_back(
        concat("layer ", expected.name, ": node \"", node.name,
               "\" has no bias; taken as zeros, which the dynamo exporter drops (--verify proves it)"));
    return;
  }
  if (!expected.has_bias) fail_node(graph, node, "layer ", expected.name, ", bias: expected none, found one");
  if (!bias || !is_real(bias->type) || bias->dims != Dims{expected.out_channels})
    fail_node(graph, node, "layer ", expected.name, ", bias: expected a float constant [", expected.out_channels,
              "], found ", bias ? to_string(bias->dims) : describe(graph, node.input(2)));
  if (!all_finite(*bias))
    fail_node(graph, node, "layer ", expected.name, ", bias: expected finite values, found others");
}

const Node& Walker::layer(ValueId value, const std::string& name) {
  const auto entry = table_.find(name);
  if (entry == table_.end()) fail(ErrorKind::kInternal, "layer ", name, " is not in the layer table");
  const Layer& expected = entry->second;
  const Node* outer = graph.producer(value);
  if (outer != nullptr && outer->op == "Clip" && expected.activation != LayerActivation::kNone)
    fail_node(graph, *outer, "layer ", name, ", activation: expected ", to_string(expected.activation),
              expected.activation == LayerActivation::kRelu6 ? " (Clip to 0..6)" : "", ", found a Clip to ",
              outer->real("min", -INFINITY), "..", outer->real("max", INFINITY));
  const Node& node = claim(value, "FusedConv", concat("layer ", name));
  const ArrayPtr weight = graph.constant(node.inputs[1]), bias = graph.constant(node.input(2));
  check_layer(node, expected);
  check_weights(node, expected, weight, bias);
  check_shape(node, {expected.per_roi ? kUnknownDim : 1, expected.out_channels, expected.out_side, expected.out_side});
  found_[name] = {expected, node.name, weight, bias};
  return node;
}

void Walker::finish() {
  for (const auto& node : graph.nodes)
    if (claimed.count(node.get()) == 0)
      fail_node(graph, *node, "expected no node beyond those of the network, found this one left over");
  for (auto shape = shapes_.rbegin(); shape != shapes_.rend(); ++shape) judge_shape(*shape->first, shape->second);
  if (!graph.shape_errors.empty()) throw Error(ErrorKind::kFormat, graph.shape_errors[0]);
  for (const Layer& expected : layer_table(config)) {
    const auto found = found_.find(expected.name);
    if (found == found_.end())
      fail(ErrorKind::kInternal, graph.source, ": layer ", expected.name, " was not looked for");
    result.layers.push_back(found->second);
  }
}

}  // namespace sln::importer
