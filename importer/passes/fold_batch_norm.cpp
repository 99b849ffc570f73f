#include <cmath>

#include "importer/passes/passes.h"

namespace sln::importer {
namespace {

struct BatchNorm {
  ArrayPtr scale, shift, mean, variance;
  double epsilon = 1e-5;
};

bool read_batch_norm(const Graph& graph, const Node& node, size_t channels, BatchNorm& norm) {
  norm = {graph.constant(node.input(1)), graph.constant(node.input(2)), graph.constant(node.input(3)),
          graph.constant(node.input(4)), node.real("epsilon", 1e-5)};
  for (const ArrayPtr& part : {norm.scale, norm.shift, norm.mean, norm.variance})
    if (!part || part->real.size() != channels) return false;
  return node.integer("training_mode", 0) == 0;
}

// Not rounded here: the blob's float32 is the only rounding.
void fold_into(Graph& graph, Node& conv, const BatchNorm& norm, const std::string& name) {
  Array weight = *graph.constant(conv.inputs[1]);
  const ArrayPtr old_bias = graph.constant(conv.input(2));
  Array bias = make_array(weight.type, {weight.dims[0]});
  const size_t depth = weight.real.size() / bias.real.size();
  for (size_t o = 0; o < bias.real.size(); ++o) {
    const double gain = norm.scale->real[o] / std::sqrt(norm.variance->real[o] + norm.epsilon);
    for (size_t k = 0; k < depth; ++k) weight.real[o * depth + k] *= gain;
    bias.real[o] = ((old_bias ? old_bias->real[o] : 0.0) - norm.mean->real[o]) * gain + norm.shift->real[o];
  }
  const ValueId new_weight = graph.add_constant(graph.value(conv.inputs[1]).name, std::move(weight));
  const ValueId new_bias = graph.add_constant(name, std::move(bias));
  conv.inputs = {conv.inputs[0], new_weight, new_bias};
}

}  // namespace

int fold_batch_norm(Graph& graph) {
  int count = 0;
  for (size_t i = 0; i < graph.nodes.size();) {
    const Node& node = *graph.nodes[i++];
    Node* conv = node.op == "BatchNormalization" ? graph.producer(node.inputs[0]) : nullptr;
    if (conv == nullptr || conv->op != "Conv" || graph.use_count(node.inputs[0]) != 1) continue;
    const ArrayPtr weight = graph.constant(conv->inputs[1]);
    BatchNorm norm;
    if (!weight || weight->dims.size() != 4 || !is_real(weight->type) ||
        (conv->input(2) != kNoValue && !graph.constant(conv->input(2))) ||
        !read_batch_norm(graph, node, static_cast<size_t>(weight->dims[0]), norm))
      continue;
    fold_into(graph, *conv, norm, node.name);
    conv->outputs[0] = node.outputs[0];
    graph.nodes.erase(graph.nodes.begin() + static_cast<std::ptrdiff_t>(--i));
    ++count;
  }
  return count;
}

}  // namespace sln::importer
