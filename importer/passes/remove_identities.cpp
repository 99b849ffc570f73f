#include <algorithm>

#include "importer/passes/passes.h"

namespace sln::importer {
namespace {

bool is_static(const Dims& dims) {
  return std::find(dims.begin(), dims.end(), kUnknownDim) == dims.end();
}

bool changes_nothing(const Graph& graph, const Node& node) {
  if (node.inputs.empty() || node.inputs[0] == kNoValue || node.outputs.size() != 1) return false;
  if (node.op == "Identity") return true;
  const Value& in = graph.value(node.inputs[0]);
  const Value& out = graph.value(node.outputs[0]);
  if (node.op == "Pad") {
    const auto pads = node.integers("pads", {1});
    return node.inputs.size() == 1 && std::all_of(pads.begin(), pads.end(), [](int64_t pad) { return pad == 0; });
  }
  if (node.op == "Cast") return in.type != DataType::kUnknown && in.type == out.type;
  if (node.op == "Transpose") {
    const auto perm = node.integers("perm", {});
    return !perm.empty() && std::is_sorted(perm.begin(), perm.end());
  }
  // These can only shrink or rename dimensions, so that an unchanged static shape means unchanged content.
  if ((node.op == "Slice" && !node.has("steps")) || node.op == "Reshape")
    return node.inputs.size() == 1 && in.has_shape && out.has_shape && is_static(in.shape) && in.shape == out.shape;
  return false;
}

}  // namespace

int remove_identities(Graph& graph) {
  int count = 0;
  for (size_t i = 0; i < graph.nodes.size();) {
    const Node& node = *graph.nodes[i];
    if (!changes_nothing(graph, node)) {
      ++i;
      continue;
    }
    graph.replace_uses(node.outputs[0], node.inputs[0]);
    graph.nodes.erase(graph.nodes.begin() + static_cast<std::ptrdiff_t>(i));
    ++count;
  }
  return count;
}

}  // namespace sln::importer
