#include "importer/shapes.h"

#include <algorithm>
#include <map>

#include "importer/operators.h"

namespace sln::importer {
namespace {

struct Guess {
  DataType type = DataType::kUnknown;
  std::optional<Dims> dims;
  std::string error = {};  // inputs contradict each other; dims is then the best guess
};

// One node with its inputs' guesses.
struct Scene {
  const Graph& graph;
  const Node& node;
  std::vector<Guess> in;

  bool known(size_t i) const { return i < in.size() && in[i].dims.has_value(); }
  const Dims& dims(size_t i) const { return *in[i].dims; }
  std::optional<std::vector<int64_t>> parameter(size_t index, const std::string& name) const {
    return constant_parameter(graph, node, index, name);
  }
};
using Rule = Guess (*)(const Scene&);

int64_t windowed(int64_t in, int64_t kernel, int64_t stride, int64_t pads, int64_t dilation) {
  if (in == kUnknownDim) return kUnknownDim;
  const int64_t room = in + pads - dilation * (kernel - 1) - 1;
  if (room < 0 || stride < 1) fail(ErrorKind::kFormat, "expected a map of at least the window's size, found side ", in);
  return room / stride + 1;
}

Guess window_rule(const Scene& s, const std::vector<int64_t>& kernel, int64_t channels) {
  Guess out{s.in[0].type, std::nullopt};
  if (!s.known(0) || s.dims(0).size() != 4 || kernel.size() != 2) return out;
  const auto strides = s.node.integers("strides", {1, 1});
  const auto pads = s.node.integers("pads", {0, 0, 0, 0});
  const auto dilations = s.node.integers("dilations", {1, 1});
  if (strides.size() != 2 || pads.size() != 4 || dilations.size() != 2)
    fail(ErrorKind::kFormat, "expected a window of two dimensions, found strides ", to_string(strides));
  Dims dims = s.dims(0);
  if (channels != kUnknownDim) dims[1] = channels;
  for (size_t i = 0; i < 2; ++i)
    dims[i + 2] = windowed(dims[i + 2], kernel[i], strides[i], pads[i] + pads[i + 2], dilations[i]);
  out.dims = dims;
  return out;
}

Guess conv_rule(const Scene& s) {
  if (!s.known(1) || s.dims(1).size() != 4) return {s.in[0].type, std::nullopt};
  return window_rule(s, {s.dims(1)[2], s.dims(1)[3]}, s.dims(1)[0]);
}

Guess pool_rule(const Scene& s) {
  return window_rule(s, s.node.integers("kernel_shape", {}), kUnknownDim);
}

Guess same_rule(const Scene& s) {
  return s.in[0];
}

Guess broadcast_rule(const Scene& s) {
  Guess out{s.in[0].type, std::nullopt};
  if (!s.known(0) || !s.known(1)) return out;
  // Unknown sizes take part as 1 first, then mark what they touch.
  Dims a = s.dims(0), b = s.dims(1);
  Dims open(std::max(a.size(), b.size()), 0);
  for (Dims* side : {&a, &b})
    for (size_t i = 0; i < side->size(); ++i)
      if ((*side)[i] == kUnknownDim) {
        open[open.size() - side->size() + i] = 1;
        (*side)[i] = 1;
      }
  Dims dims;
  try {
    dims = broadcast(a, b);
  } catch (const Error& error) {
    return {out.type, s.dims(0), error.what()};
  }
  for (size_t i = 0; i < dims.size(); ++i)
    if (open[i] == 1 && dims[i] == 1) dims[i] = kUnknownDim;
  out.dims = dims;
  return out;
}

Guess compare_rule(const Scene& s) {
  Guess out = broadcast_rule(s);
  out.type = DataType::kBool;
  return out;
}

Guess cast_rule(const Scene& s) {
  static const std::map<int64_t, DataType> types = {{1, DataType::kFloat32},
                                                    {6, DataType::kInt32},
                                                    {7, DataType::kInt64},
                                                    {9, DataType::kBool},
                                                    {11, DataType::kFloat64}};
  const auto found = types.find(s.node.integer("to", 0));
  return {found == types.end() ? DataType::kUnknown : found->second, s.in[0].dims};
}

Guess resize_rule(const Scene& s) {
  return {s.in[0].type, s.parameter(3, "sizes")};
}

Guess roi_align_rule(const Scene& s) {
  if (!s.known(0) || s.dims(0).size() != 4) return {s.in[0].type, std::nullopt};
  const int64_t rois = s.known(1) && !s.dims(1).empty() ? s.dims(1)[0] : kUnknownDim;
  return {s.in[0].type,
          Dims{rois, s.dims(0)[1], s.node.integer("output_height", 1), s.node.integer("output_width", 1)}};
}

Guess concat_rule(const Scene& s) {
  Guess out{s.in[0].type, std::nullopt};
  for (size_t i = 0; i < s.in.size(); ++i)
    if (!s.known(i) || s.dims(i).size() != s.dims(0).size()) return out;
  Dims dims = s.dims(0);
  const size_t axis = resolve_axis(s.node.integer("axis", 0), dims.size());
  for (size_t i = 1; i < s.in.size(); ++i)
    for (size_t d = 0; d < dims.size(); ++d) {
      const int64_t other = s.dims(i)[d];
      if (d == axis)
        dims[d] = dims[d] == kUnknownDim || other == kUnknownDim ? kUnknownDim : dims[d] + other;
      else if (dims[d] == kUnknownDim)
        dims[d] = other;
      else if (other != kUnknownDim && other != dims[d])
        out.error = concat("expected shapes that differ along axis ", axis, " only, found ", to_string(s.dims(0)),
                           " and ", to_string(s.dims(i)));
    }
  out.dims = dims;
  return out;
}

Guess transpose_rule(const Scene& s) {
  if (!s.known(0)) return {s.in[0].type, std::nullopt};
  Dims dims = s.dims(0);
  std::reverse(dims.begin(), dims.end());
  const auto perm = s.node.integers("perm", {});
  if (!perm.empty()) {
    if (perm.size() != dims.size())
      fail(ErrorKind::kFormat, "expected a permutation of ", dims.size(), " axes, found ", to_string(perm));
    for (size_t i = 0; i < perm.size(); ++i) dims[i] = s.dims(0)[resolve_axis(perm[i], perm.size())];
  }
  return {s.in[0].type, dims};
}

bool all_known(const Dims& dims) {
  return std::find(dims.begin(), dims.end(), kUnknownDim) == dims.end();
}

Guess reshape_rule(const Scene& s) {
  Guess out{s.in[0].type, s.parameter(1, "shape")};
  if (!out.dims) return out;
  for (size_t i = 0; i < out.dims->size(); ++i)
    if ((*out.dims)[i] == 0 && s.node.integer("allowzero", 0) == 0)
      (*out.dims)[i] = s.known(0) && i < s.dims(0).size() ? s.dims(0)[i] : kUnknownDim;
  const auto open = std::find(out.dims->begin(), out.dims->end(), kUnknownDim);
  if (open == out.dims->end() || !s.known(0) || !all_known(s.dims(0))) return out;
  *open = 1;
  const int64_t rest = all_known(*out.dims) ? element_count(*out.dims) : 0;
  *open = rest > 0 ? element_count(s.dims(0)) / rest : kUnknownDim;
  return out;
}

Guess slice_rule(const Scene& s) {
  const auto starts = s.parameter(1, "starts"), ends = s.parameter(2, "ends");
  Guess out{s.in[0].type, std::nullopt};
  if (!s.known(0) || !starts || !ends || starts->size() != ends->size()) return out;
  std::vector<int64_t> every, ones(starts->size(), 1);
  for (size_t i = 0; i < starts->size(); ++i) every.push_back(static_cast<int64_t>(i));
  const auto axes = s.parameter(3, "axes").value_or(every), steps = s.parameter(4, "steps").value_or(ones);
  Dims dims = s.dims(0);
  if (axes.size() != starts->size() || steps.size() != starts->size()) return out;
  for (size_t i = 0; i < axes.size(); ++i) {
    int64_t& size = dims[resolve_axis(axes[i], dims.size())];
    if (size == kUnknownDim || steps[i] != 1) {
      size = kUnknownDim;  // [0, end) of an unknown number, and steps, are left to a run
      continue;
    }
    const auto bound = [size](int64_t at) {
      if (at < 0) at = at < -size ? 0 : at + size;
      return std::min(at, size);
    };
    size = std::max<int64_t>(bound((*ends)[i]) - bound((*starts)[i]), 0);
  }
  out.dims = dims;
  return out;
}

Guess squeeze_rule(const Scene& s) {
  const auto axes = s.parameter(1, "axes");
  if (!s.known(0) || !axes) return {s.in[0].type, std::nullopt};
  std::vector<bool> gone(s.dims(0).size(), false);
  for (const int64_t axis : *axes) gone[resolve_axis(axis, gone.size())] = true;
  Dims dims;
  for (size_t i = 0; i < gone.size(); ++i)
    if (!gone[i]) dims.push_back(s.dims(0)[i]);
  return {s.in[0].type, dims};
}

Guess unsqueeze_rule(const Scene& s) {
  const auto axes = s.parameter(1, "axes");
  if (!s.known(0) || !axes) return {s.in[0].type, std::nullopt};
  std::vector<bool> fresh(s.dims(0).size() + axes->size(), false);
  for (const int64_t axis : *axes) fresh[resolve_axis(axis, fresh.size())] = true;
  if (static_cast<size_t>(std::count(fresh.begin(), fresh.end(), true)) != axes->size())
    fail(ErrorKind::kFormat, "expected distinct axes, found ", to_string(*axes));
  Dims dims;
  auto old = s.dims(0).begin();
  for (const bool is_fresh : fresh) dims.push_back(is_fresh ? 1 : *old++);
  return {s.in[0].type, dims};
}

Guess gather_rule(const Scene& s) {
  if (!s.known(0) || !s.known(1)) return {s.in[0].type, std::nullopt};
  const Dims& data = s.dims(0);
  const size_t axis = resolve_axis(s.node.integer("axis", 0), data.size());
  Dims dims(data.begin(), data.begin() + static_cast<std::ptrdiff_t>(axis));
  dims.insert(dims.end(), s.dims(1).begin(), s.dims(1).end());
  dims.insert(dims.end(), data.begin() + static_cast<std::ptrdiff_t>(axis) + 1, data.end());
  return {s.in[0].type, dims};
}

Guess gather_nd_rule(const Scene& s) {
  if (!s.known(0) || !s.known(1) || s.dims(1).empty()) return {s.in[0].type, std::nullopt};
  const int64_t depth = s.dims(1).back();
  if (depth < 1 || depth > static_cast<int64_t>(s.dims(0).size())) return {s.in[0].type, std::nullopt};
  Dims dims(s.dims(1).begin(), s.dims(1).end() - 1);
  dims.insert(dims.end(), s.dims(0).begin() + depth, s.dims(0).end());
  return {s.in[0].type, dims};
}

Guess reduce_rule(const Scene& s) {
  const auto axes = s.node.op == "ArgMax" ? std::vector<int64_t>{s.node.integer("axis", 0)}
                                          : s.parameter(1, "axes").value_or(std::vector<int64_t>{});
  Guess out{s.node.op == "ArgMax" ? DataType::kInt64 : s.in[0].type, std::nullopt};
  if (!s.known(0) || axes.empty()) return out;
  Dims dims = s.dims(0), kept;
  for (const int64_t axis : axes) dims[resolve_axis(axis, dims.size())] = 1;
  if (s.node.integer("keepdims", 1) != 0) {
    out.dims = dims;
    return out;
  }
  for (size_t i = 0; i < dims.size(); ++i)
    if (std::none_of(axes.begin(), axes.end(), [&](int64_t axis) { return resolve_axis(axis, dims.size()) == i; }))
      kept.push_back(dims[i]);
  out.dims = kept;
  return out;
}

Guess nms_rule(const Scene&) {
  return {DataType::kInt64, Dims{kUnknownDim, 3}};
}

Guess non_zero_rule(const Scene& s) {
  if (!s.known(0)) return {DataType::kInt64, std::nullopt};
  return {DataType::kInt64, Dims{static_cast<int64_t>(s.dims(0).size()), kUnknownDim}};
}

bool is_whole_shape(const Node& node) {
  return node.op == "Shape" && node.integer("start", 0) == 0 && !node.has("end");
}

Guess shape_rule(const Scene& s) {
  if (!s.known(0) || !is_whole_shape(s.node)) return {DataType::kInt64, std::nullopt};
  return {DataType::kInt64, Dims{static_cast<int64_t>(s.dims(0).size())}};
}

Guess constant_of_shape_rule(const Scene& s) {
  DataType type = DataType::kFloat32;
  const auto found = s.node.attributes.find("value");
  if (found != s.node.attributes.end())
    if (const auto* value = std::get_if<ArrayPtr>(&found->second)) type = (*value)->type;
  Guess out{type, std::nullopt};
  const Node* source = s.graph.producer(s.node.input(0));
  if (const ArrayPtr shape = s.graph.constant(s.node.input(0)))
    out.dims = shape->wholes();
  else if (source != nullptr && is_whole_shape(*source) && s.graph.value(source->inputs[0]).has_shape)
    out.dims = s.graph.value(source->inputs[0]).shape;  // as long as its model, however long that is
  else if (s.known(0) && s.dims(0).size() == 1 && s.dims(0)[0] >= 0 && s.dims(0)[0] < 16)
    out.dims = Dims(static_cast<size_t>(s.dims(0)[0]), kUnknownDim);
  return out;
}

Guess pad_rule(const Scene& s) {
  const auto pads = s.parameter(1, "pads");
  Guess out{s.in[0].type, std::nullopt};
  if (!s.known(0) || !pads || pads->size() != 2 * s.dims(0).size() || s.node.input(3) != kNoValue) return out;
  Dims dims = s.dims(0);
  for (size_t i = 0; i < dims.size(); ++i)
    if (dims[i] != kUnknownDim) dims[i] += (*pads)[i] + (*pads)[i + dims.size()];
  out.dims = dims;
  return out;
}

Guess unknown_rule(const Scene& s) {
  return {s.in[0].type, std::nullopt};
}

const std::map<std::string, Rule>& rules() {
  static const std::map<std::string, Rule> table = {{"Conv", conv_rule},
                                                    {"FusedConv", conv_rule},
                                                    {"MaxPool", pool_rule},
                                                    {"AveragePool", pool_rule},
                                                    {"BatchNormalization", same_rule},
                                                    {"Relu", same_rule},
                                                    {"Sigmoid", same_rule},
                                                    {"Exp", same_rule},
                                                    {"Log", same_rule},
                                                    {"Sqrt", same_rule},
                                                    {"Neg", same_rule},
                                                    {"Floor", same_rule},
                                                    {"Clip", same_rule},
                                                    {"Not", same_rule},
                                                    {"Identity", same_rule},
                                                    {"Softmax", same_rule},
                                                    {"Add", broadcast_rule},
                                                    {"Sub", broadcast_rule},
                                                    {"Mul", broadcast_rule},
                                                    {"Div", broadcast_rule},
                                                    {"Min", broadcast_rule},
                                                    {"Max", broadcast_rule},
                                                    {"Greater", compare_rule},
                                                    {"GreaterOrEqual", compare_rule},
                                                    {"Less", compare_rule},
                                                    {"LessOrEqual", compare_rule},
                                                    {"Equal", compare_rule},
                                                    {"And", compare_rule},
                                                    {"Or", compare_rule},
                                                    {"Cast", cast_rule},
                                                    {"Resize", resize_rule},
                                                    {"RoiAlign", roi_align_rule},
                                                    {"Concat", concat_rule},
                                                    {"Transpose", transpose_rule},
                                                    {"Reshape", reshape_rule},
                                                    {"Slice", slice_rule},
                                                    {"Squeeze", squeeze_rule},
                                                    {"Unsqueeze", unsqueeze_rule},
                                                    {"Gather", gather_rule},
                                                    {"GatherND", gather_nd_rule},
                                                    {"ReduceSum", reduce_rule},
                                                    {"ReduceMin", reduce_rule},
                                                    {"ReduceMax", reduce_rule},
                                                    {"ArgMax", reduce_rule},
                                                    {"NonMaxSuppression", nms_rule},
                                                    {"NonZero", non_zero_rule},
                                                    {"Shape", shape_rule},
                                                    {"Pad", pad_rule},
                                                    {"ConstantOfShape", constant_of_shape_rule}};
  return table;
}

void set_guess(Value& value, const Guess& guess) {
  value.type = guess.type;
  value.has_shape = guess.dims.has_value();
  value.shape = guess.dims.value_or(Dims{});
}

// TopK has two outputs of one shape.
void infer_top_k(Graph& graph, const Node& node) {
  const Value& in = graph.value(node.inputs[0]);
  const auto k = constant_parameter(graph, node, 1, "k");
  Guess guess{in.type, std::nullopt};
  if (in.has_shape && !in.shape.empty()) {
    Dims dims = in.shape;
    dims[resolve_axis(node.integer("axis", -1), dims.size())] = k && k->size() == 1 ? (*k)[0] : kUnknownDim;
    guess.dims = dims;
  }
  if (node.outputs[0] != kNoValue) set_guess(graph.value(node.outputs[0]), guess);
  guess.type = DataType::kInt64;
  if (node.outputs.size() > 1 && node.outputs[1] != kNoValue) set_guess(graph.value(node.outputs[1]), guess);
}

void infer_node(Graph& graph, const Node& node) {
  if (node.op == "TopK") return infer_top_k(graph, node);
  Scene scene{graph, node, {}};
  for (const ValueId id : node.inputs) {
    Guess guess;
    if (id != kNoValue) {
      guess.type = graph.value(id).type;
      if (graph.value(id).has_shape) guess.dims = graph.value(id).shape;
    }
    scene.in.push_back(guess);
  }
  if (scene.in.empty()) scene.in.emplace_back();
  const auto rule = rules().find(node.op);
  const Guess guess = rule == rules().end() ? unknown_rule(scene) : rule->second(scene);
  if (!node.outputs.empty() && node.outputs[0] != kNoValue) set_guess(graph.value(node.outputs[0]), guess);
  if (!guess.error.empty()) graph.shape_errors.push_back(concat(label(graph, node), ": ", guess.error));
}

}  // namespace

std::optional<std::vector<int64_t>> constant_parameter(const Graph& graph, const Node& node, size_t index,
                                                       const std::string& name) {
  const auto found = node.attributes.find(name);
  if (found != node.attributes.end()) {
    if (const auto* single = std::get_if<int64_t>(&found->second)) return std::vector<int64_t>{*single};
    return node.integers(name, {});
  }
  if (const ArrayPtr constant = graph.constant(node.input(index))) return constant->wholes();
  return std::nullopt;
}

void infer_shapes(Graph& graph) {
  graph.shape_errors.clear();
  for (const auto& node : graph.nodes) {
    try {
      infer_node(graph, *node);
    } catch (const Error& error) {
      graph.shape_errors.push_back(concat(label(graph, *node), ": ", error.what()));
      for (const ValueId id : node->outputs)
        if (id != kNoValue) graph.value(id).has_shape = false;
    }
  }
}

}  // namespace sln::importer
