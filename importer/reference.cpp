#include "importer/reference.h"

#include <algorithm>
#include <set>

#include "importer/operators.h"

namespace sln::importer {
namespace {

// Nodes that `wanted` depends on.
std::set<const Node*> needed_nodes(const Graph& graph, const std::vector<ValueId>& wanted) {
  std::set<ValueId> needed(wanted.begin(), wanted.end());
  std::set<const Node*> nodes;
  for (size_t i = graph.nodes.size(); i-- > 0;) {  // readers before producers
    const Node& node = *graph.nodes[i];
    if (std::none_of(node.outputs.begin(), node.outputs.end(), [&](ValueId id) { return needed.count(id) != 0; }))
      continue;
    nodes.insert(&node);
    needed.insert(node.inputs.begin(), node.inputs.end());
  }
  return nodes;
}

}  // namespace

std::vector<Array> evaluate_node(const Graph& graph, const Node& node, const std::vector<const Array*>& inputs,
                                 int threads) {
  const Operator* op = find_operator(node.op);
  if (op == nullptr) fail_node(graph, node, "expected an operator that can be evaluated, found ", node.op);
  if (inputs.size() < op->min_inputs)
    fail_node(graph, node, "expected ", op->min_inputs, " inputs, found ", inputs.size());
  for (size_t i = 0; i < op->min_inputs; ++i)
    if (inputs[i] == nullptr) fail_node(graph, node, "input ", i, ": expected a value, found none");
  EvaluationContext context;
  context.threads = threads;
  try {
    return op->evaluate(node, inputs, context);
  } catch (const Error& error) {
    throw Error(error.kind(),
                concat(graph.source, ": node \"", node.name, "\" (", node.source_op, "): ", error.what()));
  }
}

std::map<ValueId, Array> evaluate(const Graph& graph, const std::map<ValueId, Array>& feeds,
                                  const std::vector<ValueId>& wanted, int threads) {
  const std::set<const Node*> nodes = needed_nodes(graph, wanted);
  std::map<ValueId, int> readers;  // reads still to come
  for (const Node* node : nodes)
    for (const ValueId id : node->inputs) ++readers[id];
  for (const ValueId id : wanted) ++readers[id];
  std::map<ValueId, Array> live = feeds;
  const auto find = [&](ValueId id) -> const Array* {
    if (id == kNoValue) return nullptr;
    if (const ArrayPtr& constant = graph.value(id).constant) return constant.get();
    const auto found = live.find(id);
    if (found == live.end())
      fail(ErrorKind::kFormat, graph.source, ": value \"", graph.value(id).name,
           "\": expected to be fed or computed, found neither");
    return &found->second;
  };
  for (const auto& owned : graph.nodes) {
    const Node& node = *owned;
    if (nodes.count(&node) == 0) continue;
    std::vector<const Array*> inputs;
    for (const ValueId id : node.inputs) inputs.push_back(find(id));
    std::vector<Array> results = evaluate_node(graph, node, inputs, threads);
    for (size_t i = 0; i < node.outputs.size() && i < results.size(); ++i)
      if (node.outputs[i] != kNoValue && readers.count(node.outputs[i]) != 0)
        live[node.outputs[i]] = std::move(results[i]);
    for (const ValueId id : node.inputs)
      if (--readers[id] == 0) live.erase(id);
  }
  std::map<ValueId, Array> out;
  for (const ValueId id : wanted) out[id] = *find(id);
  return out;
}

}  // namespace sln::importer
