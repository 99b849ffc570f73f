#include "importer/passes/passes.h"

namespace sln::importer {
namespace {

// The inputs of `concat` that make up [start, end) along its axis; empty where the bounds cut one.
std::vector<ValueId> covered_inputs(const Graph& graph, const Node& concat, int64_t start, int64_t end) {
  const size_t axis = static_cast<size_t>(concat.integer("axis", 0));
  std::vector<ValueId> found;
  int64_t at = 0;
  for (const ValueId id : concat.inputs) {
    const Value& part = graph.value(id);
    if (!part.has_shape || axis >= part.shape.size() || part.shape[axis] == kUnknownDim) return {};
    const int64_t next = at + part.shape[axis];
    if (next > start && at < end) {
      if (at < start || next > end) return {};
      found.push_back(id);
    }
    at = next;
  }
  return found;
}

}  // namespace

int slice_of_concat(Graph& graph) {
  int count = 0;
  for (const auto& node : graph.nodes) {
    if (node->op != "Slice" || node->inputs.size() != 1 || node->has("steps")) continue;
    const Node* concat = graph.producer(node->inputs[0]);
    const auto axes = node->integers("axes", {}), starts = node->integers("starts", {}),
               ends = node->integers("ends", {});
    if (concat == nullptr || concat->op != "Concat" || axes != std::vector<int64_t>{concat->integer("axis", 0)} ||
        starts.size() != 1 || ends.size() != 1 || starts[0] < 0 || ends[0] < starts[0])
      continue;
    const std::vector<ValueId> parts = covered_inputs(graph, *concat, starts[0], ends[0]);
    if (parts.empty()) continue;
    node->op = parts.size() == 1 ? "Identity" : "Concat";  // Identity is removed by the next round
    node->inputs = parts;
    node->attributes.clear();
    if (parts.size() > 1) node->attributes["axis"] = axes[0];
    ++count;
  }
  return count;
}

}  // namespace sln::importer
