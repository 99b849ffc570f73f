#include <map>

#include "importer/passes/passes.h"

namespace sln::importer {
namespace {

struct Parameter {
  size_t input;
  const char* attribute;
  bool real;  // a float scalar, else a list of whole numbers
};

const std::map<std::string, std::vector<Parameter>>& parameters() {
  static const std::map<std::string, std::vector<Parameter>> table = {
      {"Slice", {{1, "starts", false}, {2, "ends", false}, {3, "axes", false}, {4, "steps", false}}},
      {"Squeeze", {{1, "axes", false}}},
      {"Unsqueeze", {{1, "axes", false}}},
      {"ReduceSum", {{1, "axes", false}}},
      {"ReduceMin", {{1, "axes", false}}},
      {"ReduceMax", {{1, "axes", false}}},
      {"Reshape", {{1, "shape", false}}},
      {"Expand", {{1, "shape", false}}},
      {"Resize", {{3, "sizes", false}}},
      {"TopK", {{1, "k", false}}},
      {"Clip", {{1, "min", true}, {2, "max", true}}},
      {"Pad", {{1, "pads", false}, {2, "constant_value", true}}},
      {"NonMaxSuppression",
       {{2, "max_output_boxes_per_class", false}, {3, "iou_threshold", true}, {4, "score_threshold", true}}}};
  return table;
}

bool inline_one(Graph& graph, Node& node, const Parameter& parameter) {
  const ArrayPtr constant = graph.constant(node.input(parameter.input));
  if (!constant || node.has(parameter.attribute) || is_real(constant->type) != parameter.real) return false;
  if (parameter.real) {
    if (constant->count() != 1) return false;
    node.attributes[parameter.attribute] = constant->real[0];
  } else {
    node.attributes[parameter.attribute] = constant->whole;
  }
  node.inputs[parameter.input] = kNoValue;
  return true;
}

}  // namespace

int inline_parameters(Graph& graph) {
  int count = 0;
  for (const auto& node : graph.nodes) {
    const auto found = parameters().find(node->op);
    if (found == parameters().end()) continue;
    for (const Parameter& parameter : found->second) count += inline_one(graph, *node, parameter) ? 1 : 0;
    while (!node->inputs.empty() && node->inputs.back() == kNoValue) node->inputs.pop_back();
  }
  return count;
}

}  // namespace sln::importer
