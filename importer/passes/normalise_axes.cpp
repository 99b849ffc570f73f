#include <algorithm>
#include <set>

#include "importer/operators.h"
#include "importer/passes/passes.h"
#include "importer/shapes.h"

namespace sln::importer {
namespace {

// Sets an attribute; true where that changes it.
template <typename T>
bool set(Node& node, const std::string& name, const T& value) {
  const auto found = node.attributes.find(name);
  if (found != node.attributes.end() && found->second == Attribute(value)) return false;
  node.attributes[name] = value;
  return true;
}

bool normalise_slice(Node& node, const Dims& shape) {
  std::vector<int64_t> starts = node.integers("starts", {}), ends = node.integers("ends", {});
  std::vector<int64_t> every;
  for (size_t i = 0; i < starts.size(); ++i) every.push_back(static_cast<int64_t>(i));
  std::vector<int64_t> axes = node.integers("axes", every);
  const std::vector<int64_t> ones(starts.size(), 1);
  if (starts.empty() || ends.size() != starts.size() || axes.size() != starts.size() ||
      node.integers("steps", ones) != ones)
    return false;
  for (size_t i = 0; i < axes.size(); ++i) {
    const size_t axis = resolve_axis(axes[i], shape.size());
    axes[i] = static_cast<int64_t>(axis);
    const int64_t size = shape[axis];
    if (size == kUnknownDim) continue;
    for (int64_t* bound : {&starts[i], &ends[i]}) {
      if (*bound < 0) *bound = *bound < -size ? 0 : *bound + size;
      *bound = std::min(*bound, size);
    }
  }
  bool changed = node.attributes.erase("steps") != 0;
  changed |= set(node, "starts", starts);
  changed |= set(node, "ends", ends);
  changed |= set(node, "axes", axes);
  return changed;
}

bool normalise_list(Node& node, size_t rank) {
  if (!node.has("axes")) return false;
  std::vector<int64_t> axes = node.integers("axes", {});
  for (int64_t& axis : axes) axis = static_cast<int64_t>(resolve_axis(axis, rank));
  std::sort(axes.begin(), axes.end());
  return set(node, "axes", axes);
}

bool normalise(const Graph& graph, Node& node) {
  static const std::set<std::string> single = {"Softmax", "Concat", "Gather", "ArgMax", "TopK"};
  static const std::set<std::string> lists = {"Squeeze", "ReduceSum", "ReduceMin", "ReduceMax"};
  if (node.inputs.empty() || node.inputs[0] == kNoValue || !graph.value(node.inputs[0]).has_shape) return false;
  const Dims& shape = graph.value(node.inputs[0]).shape;
  if (node.op == "Slice") return normalise_slice(node, shape);
  if (lists.count(node.op) != 0) return normalise_list(node, shape.size());
  if (node.op == "Unsqueeze") return normalise_list(node, shape.size() + node.integers("axes", {}).size());
  if (single.count(node.op) == 0) return false;
  const bool last = node.op == "Softmax" || node.op == "TopK";  // their default axis
  return set(node, "axis", static_cast<int64_t>(resolve_axis(node.integer("axis", last ? -1 : 0), shape.size())));
}

}  // namespace

int normalise_axes(Graph& graph) {
  int count = 0;
  for (const auto& node : graph.nodes) {
    try {
      count += normalise(graph, *node) ? 1 : 0;
    } catch (const Error& error) {
      fail_node(graph, *node, error.what());
    }
  }
  return count;
}

}  // namespace sln::importer
