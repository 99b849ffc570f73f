#include <algorithm>

#include "importer/passes/passes.h"

namespace sln::importer {
namespace {

// The one node that reads `id`, null where there are several or it is a graph output.
Node* only_user(const Graph& graph, ValueId id) {
  if (graph.use_count(id) != 1 || graph.is_output(id)) return nullptr;
  return graph.users(id)[0];
}

void erase_node(Graph& graph, const Node* gone) {
  auto& nodes = graph.nodes;
  nodes.erase(std::find_if(nodes.begin(), nodes.end(), [gone](const auto& node) { return node.get() == gone; }));
}

// Values per output channel that `add` adds to the convolution's output; null where it adds something else.
ArrayPtr added_bias(const Graph& graph, const Node& add, ValueId map, int64_t channels) {
  const ArrayPtr other = graph.constant(add.inputs[0] == map ? add.inputs[1] : add.inputs[0]);
  if (!other || !is_real(other->type)) return nullptr;
  const bool per_channel = other->dims == Dims{1, channels, 1, 1} || other->dims == Dims{channels, 1, 1};
  return per_channel ? other : nullptr;
}

bool absorb_bias(Graph& graph, Node& conv) {
  const Node* add = only_user(graph, conv.outputs[0]);
  const Value& weight = graph.value(conv.inputs[1]);
  if (add == nullptr || add->op != "Add" || !weight.has_shape || weight.shape.size() != 4) return false;
  const ArrayPtr added = added_bias(graph, *add, conv.outputs[0], weight.shape[0]);
  const ArrayPtr old = graph.constant(conv.input(2));
  if (!added || (conv.input(2) != kNoValue && !old)) return false;
  Array bias = *added;
  bias.dims = {weight.shape[0]};
  for (size_t i = 0; old && i < bias.real.size(); ++i) bias.real[i] += old->real[i];
  conv.inputs.resize(3, kNoValue);
  conv.inputs[2] = graph.add_constant(add->name, std::move(bias));
  conv.outputs[0] = add->outputs[0];
  erase_node(graph, add);
  return true;
}

// ReLU6 is a Clip whose bounds are attributes by now.
bool is_relu6(const Node& node) {
  return node.op == "Clip" && node.inputs.size() == 1 && node.has("min") && node.has("max") &&
         node.real("min", 0.0) == 0.0 && node.real("max", 0.0) == 6.0;
}

bool absorb_activation(Graph& graph, Node& conv) {
  const Node* user = only_user(graph, conv.outputs[0]);
  if (user == nullptr || (user->op != "Relu" && !is_relu6(*user))) return false;
  conv.attributes["activation"] = int64_t{user->op == "Relu" ? 1 : 6};
  conv.outputs[0] = user->outputs[0];
  erase_node(graph, user);
  return true;
}

// A convolution whose normalisation is still to be folded waits for it.
bool is_ready(const Graph& graph, const Node& conv) {
  const Node* user = only_user(graph, conv.outputs[0]);
  return user == nullptr || user->op != "BatchNormalization";
}

}  // namespace

int fuse_conv_bias_activation(Graph& graph) {
  int count = 0;
  std::vector<Node*> convs;
  for (const auto& node : graph.nodes)
    if (node->op == "Conv" && is_ready(graph, *node)) convs.push_back(node.get());
  for (Node* conv : convs) {
    conv->op = "FusedConv";
    ++count;
    absorb_bias(graph, *conv);
    absorb_activation(graph, *conv);
  }
  return count;
}

}  // namespace sln::importer
