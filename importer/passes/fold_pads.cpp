#include <algorithm>

#include "importer/passes/passes.h"

namespace sln::importer {
namespace {

bool in_range(const std::vector<int64_t>& pads) {
  return std::all_of(pads.begin(), pads.end(), [](int64_t pad) { return pad >= 0 && pad <= 65535; });
}

// Zeros before and after rows and columns of an NCHW map: {top, left, bottom, right}; nothing where the node pads
// otherwise.
bool read_pad(const Node& node, std::vector<int64_t>& pads) {
  const auto all = node.integers("pads", {});
  if (node.inputs.size() != 1 || node.text("mode", "constant") != "constant" ||
      node.real("constant_value", 0.0) != 0.0 || all.size() != 8)
    return false;
  if (all[0] != 0 || all[1] != 0 || all[4] != 0 || all[5] != 0) return false;
  pads = {all[2], all[3], all[6], all[7]};
  return in_range(pads);
}

bool fold_into(const Node& pad, Node& conv) {
  std::vector<int64_t> added;
  auto pads = conv.integers("pads", {0, 0, 0, 0});
  if (!read_pad(pad, added) || pads.size() != 4 || !in_range(pads) || conv.text("auto_pad", "NOTSET") != "NOTSET")
    return false;
  // The map must be input 0 and nothing else of the convolution.
  if (std::count(conv.inputs.begin(), conv.inputs.end(), pad.outputs[0]) != 1) return false;
  for (size_t i = 0; i < 4; ++i) pads[i] += added[i];
  conv.attributes["pads"] = pads;
  conv.inputs[0] = pad.inputs[0];
  return true;
}

}  // namespace

int fold_pads(Graph& graph) {
  int count = 0;
  for (const auto& node : graph.nodes) {
    if (node->op != "Conv") continue;
    const Node* pad = graph.producer(node->inputs[0]);
    if (pad != nullptr && pad->op == "Pad") count += fold_into(*pad, *node) ? 1 : 0;
  }
  graph.drop_dead();
  return count;
}

}  // namespace sln::importer
