#include "importer/passes/passes.h"

namespace sln::importer {

int reshape_to_squeeze(Graph& graph) {
  int count = 0;
  for (const auto& node : graph.nodes) {
    if (node->op != "Reshape" || node->integers("shape", {}).size() != 1 || !graph.value(node->inputs[0]).has_shape)
      continue;
    std::vector<int64_t> ones;
    const Dims& shape = graph.value(node->inputs[0]).shape;
    for (size_t i = 0; i < shape.size(); ++i)
      if (shape[i] == 1) ones.push_back(static_cast<int64_t>(i));
    if (shape.size() < 2 || ones.size() + 1 != shape.size()) continue;
    node->op = "Squeeze";
    node->attributes = {{"axes", ones}};
    ++count;
  }
  return count;
}

}  // namespace sln::importer
