#include <algorithm>

#include "importer/passes/passes.h"

namespace sln::importer {
namespace {

// Longest path from a graph input to each value.
std::vector<int> value_depths(const Graph& graph) {
  std::vector<int> depth(graph.values.size(), 0);
  for (const auto& node : graph.nodes) {
    int deepest = 0;
    for (const ValueId id : node->inputs)
      if (id != kNoValue) deepest = std::max(deepest, depth[static_cast<size_t>(id)]);
    for (const ValueId id : node->outputs)
      if (id != kNoValue) depth[static_cast<size_t>(id)] = deepest + 1;
  }
  return depth;
}

bool can_take_residual(const Graph& graph, ValueId id) {
  const Node* conv = graph.producer(id);
  return conv != nullptr && conv->op == "FusedConv" && conv->integer("activation", 0) == 0 &&
         conv->input(3) == kNoValue && graph.use_count(id) == 1;
}

// Which summand takes the other as its residual: 0, 1, or -1 for neither.
int taker(const Graph& graph, const Node& add) {
  const bool first = can_take_residual(graph, add.inputs[0]), second = can_take_residual(graph, add.inputs[1]);
  if (!first || !second) return first ? 0 : second ? 1 : -1;
  const std::vector<int> depth = value_depths(graph);
  return depth[static_cast<size_t>(add.inputs[1])] > depth[static_cast<size_t>(add.inputs[0])] ? 1 : 0;
}

bool is_pointwise(const Graph& graph, const Node& conv) {
  const Value& weight = graph.value(conv.inputs[1]);
  return weight.has_shape && weight.shape.size() == 4 && weight.shape[2] == 1 && weight.shape[3] == 1;
}

bool fuse(Graph& graph, const Node& add) {
  const Value& a = graph.value(add.inputs[0]);
  const Value& b = graph.value(add.inputs[1]);
  const auto users = graph.users(add.outputs[0]);
  // A graph whose shapes contradict each other will be refused; fusing all the same lets the matcher find the node at
  // fault.
  const bool fits = a.has_shape && b.has_shape && (a.shape == b.shape || !graph.shape_errors.empty());
  if (!fits || add.inputs[0] == add.inputs[1]) return false;
  const int which = taker(graph, add);
  if (which < 0) return false;
  Node& conv = *graph.producer(add.inputs[static_cast<size_t>(which)]);
  const bool activated = graph.use_count(add.outputs[0]) == 1 && users.size() == 1 && users[0]->op == "Relu";
  if (!activated && !is_pointwise(graph, conv)) return false;
  conv.inputs.resize(4, kNoValue);
  conv.inputs[3] = add.inputs[static_cast<size_t>(1 - which)];
  if (activated) conv.attributes["activation"] = int64_t{1};
  conv.outputs[0] = activated ? users[0]->outputs[0] : add.outputs[0];
  const Node* relu = activated ? users[0] : nullptr;
  const Node* sum = &add;
  auto& nodes = graph.nodes;
  nodes.erase(std::remove_if(nodes.begin(), nodes.end(),
                             [=](const auto& node) { return node.get() == sum || node.get() == relu; }),
              nodes.end());
  graph.sort();
  return true;
}

}  // namespace

int fuse_residual_add(Graph& graph) {
  int count = 0;
  for (bool again = true; again;) {  // a fusion reorders the nodes, so the search starts anew
    again = false;
    for (const auto& node : graph.nodes)
      if (node->op == "Add" && fuse(graph, *node)) {
        again = true;
        ++count;
        break;
      }
  }
  return count;
}

}  // namespace sln::importer
