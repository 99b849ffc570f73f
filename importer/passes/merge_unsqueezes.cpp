#include <algorithm>

#include "importer/passes/passes.h"

namespace sln::importer {
namespace {

// Axes of both steps, in terms of the final tensor. `inner` and `outer` are sorted and not negative.
std::vector<int64_t> merge_axes(const std::vector<int64_t>& inner, const std::vector<int64_t>& outer,
                                size_t final_rank) {
  std::vector<int64_t> merged = outer;
  int64_t middle = 0;  // axis of the tensor between the two steps
  for (int64_t axis = 0; axis < static_cast<int64_t>(final_rank); ++axis) {
    if (std::binary_search(outer.begin(), outer.end(), axis)) continue;
    if (std::binary_search(inner.begin(), inner.end(), middle)) merged.push_back(axis);
    ++middle;
  }
  std::sort(merged.begin(), merged.end());
  return merged;
}

}  // namespace

int merge_unsqueezes(Graph& graph) {
  int count = 0;
  for (const auto& node : graph.nodes) {
    if (node->op != "Unsqueeze" || !node->has("axes")) continue;
    const Node* first = graph.producer(node->inputs[0]);
    if (first == nullptr || first->op != "Unsqueeze" || !first->has("axes") || !graph.value(first->inputs[0]).has_shape)
      continue;
    const auto inner = first->integers("axes", {}), outer = node->integers("axes", {});
    const size_t rank = graph.value(first->inputs[0]).shape.size() + inner.size() + outer.size();
    node->attributes["axes"] = merge_axes(inner, outer, rank);
    node->inputs = {first->inputs[0]};
    ++count;
  }
  return count;
}

}  // namespace sln::importer
