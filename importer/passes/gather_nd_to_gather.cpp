#include "importer/passes/passes.h"

namespace sln::importer {

int gather_nd_to_gather(Graph& graph) {
  int count = 0;
  for (const auto& node : graph.nodes) {
    if (node->op != "GatherND" || node->integer("batch_dims", 0) != 0) continue;
    const Node* unsqueeze = graph.producer(node->inputs[1]);
    if (unsqueeze == nullptr || unsqueeze->op != "Unsqueeze" || !unsqueeze->has("axes")) continue;
    const Value& list = graph.value(unsqueeze->inputs[0]);
    if (!list.has_shape ||
        unsqueeze->integers("axes", {}) != std::vector<int64_t>{static_cast<int64_t>(list.shape.size())})
      continue;  // only a trailing dimension of 1 makes each index a row number
    node->op = "Gather";
    node->inputs[1] = unsqueeze->inputs[0];
    node->attributes = {{"axis", int64_t{0}}};
    ++count;
  }
  return count;
}

}  // namespace sln::importer
