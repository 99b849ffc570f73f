#include "importer/passes/passes.h"

namespace sln::importer {
namespace {

// The upper bound that `node` puts onto its input 0; false where it does something else to a positive number.
bool read_bound(const Graph& graph, Node& node, double& bound) {
  if (node.op == "Clip") {
    bound = node.real("max", 0.0);
    return node.inputs.size() == 1 && node.has("max") && node.real("min", 0.0) <= 0.0;
  }
  if (node.op != "Min") return false;
  if (graph.constant(node.inputs[0])) std::swap(node.inputs[0], node.inputs[1]);
  const ArrayPtr constant = graph.constant(node.inputs[1]);
  if (!constant || !is_real(constant->type) || constant->count() != 1 || constant->dims.size() > 1) return false;
  bound = constant->real[0];
  return true;
}

}  // namespace

int merge_relu_clip(Graph& graph) {
  int count = 0;
  for (const auto& node : graph.nodes) {
    double bound = 0;
    if ((node->op != "Clip" && node->op != "Min") || !read_bound(graph, *node, bound)) continue;
    const Node* relu = graph.producer(node->inputs[0]);
    if (relu == nullptr || relu->op != "Relu" || graph.use_count(node->inputs[0]) != 1) continue;
    node->op = "Clip";
    node->inputs = {relu->inputs[0]};
    node->attributes = {{"min", 0.0}, {"max", bound}};
    ++count;
  }
  graph.drop_dead();
  return count;
}

}  // namespace sln::importer
