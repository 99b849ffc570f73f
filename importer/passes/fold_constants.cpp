#include <algorithm>

#include "importer/operators.h"
#include "importer/passes/passes.h"
#include "importer/reference.h"

namespace sln::importer {
namespace {

// The exporter's runtime would have computed in the stored type; one rounding per node gives the same for + - * / sqrt.
void round_to_type(Array& array) {
  if (array.type != DataType::kFloat32) return;
  for (double& x : array.real) x = static_cast<double>(static_cast<float>(x));
}

void set_constant(Graph& graph, ValueId id, Array array) {
  round_to_type(array);
  Value& value = graph.value(id);
  value.type = array.type;
  value.has_shape = true;
  value.shape = array.dims;
  value.constant = std::make_shared<const Array>(std::move(array));
}

bool shape_is_known(const Value& value) {
  return value.has_shape && std::find(value.shape.begin(), value.shape.end(), kUnknownDim) == value.shape.end();
}

bool is_foldable(const Graph& graph, const Node& node) {
  bool any = false;
  for (const ValueId id : node.inputs) {
    if (id == kNoValue) continue;
    if (!graph.constant(id)) return false;
    any = true;
  }
  return any;
}

// Shape needs its input's size only.
bool fold_shape(Graph& graph, const Node& node) {
  if (node.op != "Shape" || !shape_is_known(graph.value(node.inputs[0]))) return false;
  Array stand_in;
  stand_in.dims = graph.value(node.inputs[0]).shape;
  set_constant(graph, node.outputs[0], evaluate_node(graph, node, {&stand_in})[0]);
  return true;
}

bool fold(Graph& graph, const Node& node) {
  if (fold_shape(graph, node)) return true;
  if (!is_foldable(graph, node)) return false;
  std::vector<const Array*> inputs;
  for (const ValueId id : node.inputs) inputs.push_back(id == kNoValue ? nullptr : graph.value(id).constant.get());
  std::vector<Array> results = evaluate_node(graph, node, inputs);
  for (size_t i = 0; i < node.outputs.size() && i < results.size(); ++i)
    if (node.outputs[i] != kNoValue) set_constant(graph, node.outputs[i], std::move(results[i]));
  return true;
}

}  // namespace

int fold_constants(Graph& graph) {
  const size_t before = graph.nodes.size();
  auto& nodes = graph.nodes;
  nodes.erase(std::remove_if(nodes.begin(), nodes.end(), [&](const auto& node) { return fold(graph, *node); }),
              nodes.end());
  return static_cast<int>(before - nodes.size());
}

}  // namespace sln::importer
