#include <algorithm>

#include "importer/passes/passes.h"

namespace sln::importer {
namespace {

bool is_pointwise(const Graph& graph, const Node& node) {
  const std::vector<int64_t> zeros(4, 0), ones(2, 1);
  const ArrayPtr weight = node.op == "FusedConv" ? graph.constant(node.inputs[1]) : nullptr;
  return weight && weight->dims.size() == 4 && weight->dims[2] == 1 && weight->dims[3] == 1 &&
         node.integers("pads", zeros) == zeros && node.integers("strides", ones) == ones &&
         node.integer("group", 1) == 1 && node.input(3) == kNoValue;
}

// Only a resize whose weights sum to 1 at every pixel commutes with the convolution; linear with clamped taps does.
const Node* linear_resize(const Graph& graph, ValueId id) {
  const Node* node = graph.producer(id);
  const bool linear = node != nullptr && node->op == "Resize" && node->text("mode", "nearest") == "linear" &&
                      node->text("coordinate_transformation_mode", "half_pixel") == "half_pixel" &&
                      node->integer("antialias", 0) == 0 && node->inputs.size() == 1 &&
                      node->integers("sizes", {}).size() == 4;
  return linear ? node : nullptr;
}

// Columns [first, first + channels) of a 1x1 weight.
Array slice_weight(const Array& weight, int64_t first, int64_t channels) {
  Array slice = make_array(weight.type, {weight.dims[0], channels, 1, 1});
  for (int64_t o = 0; o < weight.dims[0]; ++o)
    std::copy_n(weight.real.begin() + o * weight.dims[1] + first, channels, slice.real.begin() + o * channels);
  return slice;
}

class Split {
 public:
  Split(Graph& graph, Node& conv, const Node& joined) : graph_(graph), conv_(conv), joined_(joined) {}

  bool possible() const {
    bool any_resized = false, any_direct = false;
    int64_t channels = 0;
    for (const ValueId id : joined_.inputs) {
      const Value& part = graph_.value(id);
      if (!part.has_shape || part.shape.size() != 4 || part.shape[1] == kUnknownDim) return false;
      channels += part.shape[1];
      (linear_resize(graph_, id) != nullptr ? any_resized : any_direct) = true;
    }
    return any_resized && any_direct && channels == graph_.constant(conv_.inputs[1])->dims[1];
  }

  void run() {
    const Array weight = *graph_.constant(conv_.inputs[1]);
    ValueId main_input = kNoValue, main_weight = kNoValue, sum = kNoValue;
    int64_t first = 0;
    const std::vector<ValueId> parts = joined_.inputs;
    for (size_t i = 0; i < parts.size(); ++i) {
      const int64_t channels = graph_.value(parts[i]).shape[1];
      const std::string name = concat(conv_.name, "/slice", i);
      const ValueId slice = graph_.add_constant(name, slice_weight(weight, first, channels));
      first += channels;
      const Node* resize = linear_resize(graph_, parts[i]);
      if (resize == nullptr && main_input == kNoValue) {
        main_input = parts[i];
        main_weight = slice;
        continue;
      }
      const ValueId term = add_term(name, parts[i], slice, resize, weight.dims[0]);
      sum = sum == kNoValue ? term : add("Add", name + "/sum", {sum, term}, {});
    }
    conv_.inputs = {main_input, main_weight, conv_.input(2), sum};
  }

 private:
  ValueId add(const std::string& op, const std::string& name, std::vector<ValueId> inputs,
              std::map<std::string, Attribute> attributes) {
    const ValueId id = graph_.add_node(op, name, std::move(inputs), std::move(attributes));
    if (op == "FusedConv") graph_.nodes.back()->source_op = conv_.source_op;
    return id;
  }

  ValueId add_term(const std::string& name, ValueId part, ValueId slice, const Node* resize, int64_t out_channels) {
    if (resize == nullptr) return add("FusedConv", name, {part, slice}, {});
    std::map<std::string, Attribute> attributes = resize->attributes;
    std::vector<int64_t> sizes = resize->integers("sizes", {});
    sizes[1] = out_channels;
    attributes["sizes"] = sizes;
    const std::string resize_name = resize->name;
    const ValueId small = add("FusedConv", name, {resize->inputs[0], slice}, {});
    return add("Resize", resize_name, {small}, std::move(attributes));
  }

  Graph& graph_;
  Node& conv_;
  const Node& joined_;
};

}  // namespace

int fuse_low_resolution(Graph& graph) {
  int count = 0;
  for (size_t i = 0, end = graph.nodes.size(); i < end; ++i) {
    Node& conv = *graph.nodes[i];
    if (!is_pointwise(graph, conv)) continue;
    const Node* concat = graph.producer(conv.inputs[0]);
    if (concat == nullptr || concat->op != "Concat" || concat->integer("axis", 0) != 1 ||
        graph.use_count(conv.inputs[0]) != 1)
      continue;
    Split split(graph, conv, *concat);
    if (!split.possible()) continue;
    split.run();
    ++count;
  }
  graph.drop_dead();
  graph.sort();
  return count;
}

}  // namespace sln::importer
