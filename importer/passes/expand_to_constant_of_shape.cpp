#include "importer/passes/passes.h"

namespace sln::importer {

int expand_to_constant_of_shape(Graph& graph) {
  int count = 0;
  for (const auto& node : graph.nodes) {
    if (node->op != "Expand" || node->inputs.size() != 2) continue;
    const ArrayPtr scalar = graph.constant(node->inputs[0]);
    if (!scalar || !scalar->dims.empty()) continue;
    Array value = *scalar;
    value.dims = {1};  // as ConstantOfShape wants it
    node->op = "ConstantOfShape";
    node->inputs = {node->inputs[1]};
    node->attributes = {{"value", std::make_shared<const Array>(std::move(value))}};
    ++count;
  }
  return count;
}

}  // namespace sln::importer
