#include "importer/operators.h"
#include "importer/passes/passes.h"

namespace sln::importer {
namespace {

bool is_run(const std::vector<int64_t>& indices) {
  for (size_t i = 1; i < indices.size(); ++i)
    if (indices[i] != indices[0] + static_cast<int64_t>(i)) return false;
  return !indices.empty();
}

bool rewrite_gather(Graph& graph, Node& node) {
  const ArrayPtr indices = graph.constant(node.inputs[1]);
  const Value& in = graph.value(node.inputs[0]);
  if (!indices || indices->dims.size() > 1 || is_real(indices->type) || !in.has_shape) return false;
  const size_t axis = resolve_axis(node.integer("axis", 0), in.shape.size());
  std::vector<int64_t> run = indices->whole;
  for (int64_t& index : run) {
    if (index >= 0) continue;
    if (in.shape[axis] == kUnknownDim) return false;
    index += in.shape[axis];
  }
  if (!is_run(run) || run[0] < 0 || (in.shape[axis] != kUnknownDim && run.back() >= in.shape[axis])) return false;
  const int64_t signed_axis = static_cast<int64_t>(axis);
  std::map<std::string, Attribute> attributes = {{"axes", std::vector<int64_t>{signed_axis}},
                                                 {"starts", std::vector<int64_t>{run[0]}},
                                                 {"ends", std::vector<int64_t>{run.back() + 1}}};
  if (indices->dims.empty()) {
    const ValueId slice = graph.add_node("Slice", node.name, {node.inputs[0]}, attributes);
    graph.nodes.back()->source_op = node.source_op;
    node.op = "Squeeze";
    node.inputs = {slice};
    node.attributes = {{"axes", std::vector<int64_t>{signed_axis}}};
  } else {
    node.op = "Slice";
    node.inputs.resize(1);
    node.attributes = attributes;
  }
  return true;
}

}  // namespace

int gather_to_slice(Graph& graph) {
  int count = 0;
  for (size_t i = 0, end = graph.nodes.size(); i < end; ++i)
    if (graph.nodes[i]->op == "Gather") count += rewrite_gather(graph, *graph.nodes[i]) ? 1 : 0;
  graph.sort();
  return count;
}

}  // namespace sln::importer
