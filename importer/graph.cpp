#include "importer/graph.h"

#include <algorithm>

namespace sln::importer {
namespace {

constexpr int64_t kMaxElements = int64_t{1} << 31;

template <typename T>
T attribute_as(const Node& node, const std::string& name, const T& absent, const char* kind) {
  const auto found = node.attributes.find(name);
  if (found == node.attributes.end()) return absent;
  if (const T* typed = std::get_if<T>(&found->second)) return *typed;
  fail(ErrorKind::kFormat, "attribute ", name, ": expected ", kind, ", found another type");
}

}  // namespace

const char* to_string(DataType type) {
  switch (type) {
    case DataType::kUnknown:
      return "unknown";
    case DataType::kFloat32:
      return "float32";
    case DataType::kFloat64:
      return "float64";
    case DataType::kInt32:
      return "int32";
    case DataType::kInt64:
      return "int64";
    case DataType::kBool:
      return "bool";
  }
  return "unknown";
}

bool is_real(DataType type) {
  return type == DataType::kFloat32 || type == DataType::kFloat64;
}

const std::vector<double>& Array::reals() const {
  if (!is_real(type)) fail(ErrorKind::kFormat, "expected a float tensor, found ", to_string(type));
  return real;
}

const std::vector<int64_t>& Array::wholes() const {
  if (is_real(type)) fail(ErrorKind::kFormat, "expected a tensor of integers or truth values, found ", to_string(type));
  return whole;
}

Array make_array(DataType type, const Dims& dims) {
  const int64_t count = element_count(dims);
  if (count > kMaxElements)
    fail(ErrorKind::kFormat, "a tensor of shape ", to_string(dims), " is larger than the importer's limit of ",
         kMaxElements, " elements");
  Array array;
  array.type = type;
  array.dims = dims;
  if (is_real(type))
    array.real.resize(static_cast<size_t>(count));
  else
    array.whole.resize(static_cast<size_t>(count));
  return array;
}

Array whole_array(std::vector<int64_t> values) {
  Array array;
  array.type = DataType::kInt64;
  array.dims = {static_cast<int64_t>(values.size())};
  array.whole = std::move(values);
  return array;
}

int64_t Node::integer(const std::string& attribute, int64_t absent) const {
  return attribute_as<int64_t>(*this, attribute, absent, "an integer");
}

double Node::real(const std::string& attribute, double absent) const {
  return attribute_as<double>(*this, attribute, absent, "a float");
}

std::string Node::text(const std::string& attribute, const std::string& absent) const {
  return attribute_as<std::string>(*this, attribute, absent, "a string");
}

std::vector<int64_t> Node::integers(const std::string& attribute, const std::vector<int64_t>& absent) const {
  return attribute_as<std::vector<int64_t>>(*this, attribute, absent, "integers");
}

Graph::Graph(const Graph& other)
    : source(other.source),
      opset(other.opset),
      metadata(other.metadata),
      inputs(other.inputs),
      outputs(other.outputs),
      values(other.values),
      shape_errors(other.shape_errors) {
  for (const auto& node : other.nodes) nodes.push_back(std::make_unique<Node>(*node));
}

Graph& Graph::operator=(const Graph& other) {
  Graph copy(other);
  *this = std::move(copy);
  return *this;
}

ValueId Graph::add_value(const std::string& name) {
  Value fresh;
  fresh.name = name;
  values.push_back(std::move(fresh));
  return static_cast<ValueId>(values.size()) - 1;
}

ValueId Graph::add_constant(const std::string& name, Array array) {
  const ValueId id = add_value(name);
  Value& fresh = value(id);
  fresh.type = array.type;
  fresh.has_shape = true;
  fresh.shape = array.dims;
  fresh.constant = std::make_shared<const Array>(std::move(array));
  return id;
}

ValueId Graph::add_node(const std::string& op, const std::string& name, std::vector<ValueId> node_inputs,
                        std::map<std::string, Attribute> attributes) {
  auto node = std::make_unique<Node>();
  node->op = node->source_op = op;
  node->name = name;
  node->inputs = std::move(node_inputs);
  node->attributes = std::move(attributes);
  node->outputs = {add_value(name)};
  nodes.push_back(std::move(node));
  return nodes.back()->outputs[0];
}

Node* Graph::producer(ValueId id) const {
  if (id == kNoValue) return nullptr;
  for (const auto& node : nodes)
    if (std::find(node->outputs.begin(), node->outputs.end(), id) != node->outputs.end()) return node.get();
  return nullptr;
}

std::vector<Node*> Graph::users(ValueId id) const {
  std::vector<Node*> found;
  for (const auto& node : nodes)
    if (std::find(node->inputs.begin(), node->inputs.end(), id) != node->inputs.end()) found.push_back(node.get());
  return found;
}

int Graph::use_count(ValueId id) const {
  std::ptrdiff_t count = 0;
  for (const auto& node : nodes) count += std::count(node->inputs.begin(), node->inputs.end(), id);
  for (const Output& output : outputs) count += output.value == id ? 1 : 0;
  return static_cast<int>(count);
}

bool Graph::is_output(ValueId id) const {
  return std::any_of(outputs.begin(), outputs.end(), [id](const Output& output) { return output.value == id; });
}

void Graph::replace_uses(ValueId old_value, ValueId new_value) {
  for (const auto& node : nodes) std::replace(node->inputs.begin(), node->inputs.end(), old_value, new_value);
  for (Output& output : outputs)
    if (output.value == old_value) output.value = new_value;
}

void Graph::sort() {
  std::vector<const Node*> maker(values.size(), nullptr);
  for (const auto& node : nodes)
    for (const ValueId out : node->outputs)
      if (out != kNoValue) maker[static_cast<size_t>(out)] = node.get();
  std::map<const Node*, bool> done;
  std::vector<std::unique_ptr<Node>> sorted;
  const auto ready = [&](const Node& node) {
    return std::all_of(node.inputs.begin(), node.inputs.end(), [&](ValueId in) {
      const Node* from = in == kNoValue ? nullptr : maker[static_cast<size_t>(in)];
      return from == nullptr || done.count(from) != 0;
    });
  };
  while (sorted.size() < nodes.size()) {
    const size_t before = sorted.size();
    for (auto& node : nodes) {
      if (!node || !ready(*node)) continue;
      done[node.get()] = true;
      sorted.push_back(std::move(node));
    }
    if (sorted.size() > before) continue;
    for (const auto& node : nodes)
      if (node)
        fail_node(*this, *node, "expected a graph without cycles, found this node among those on or behind one");
  }
  nodes = std::move(sorted);
}

int Graph::drop_dead() {
  int dropped = 0;
  for (size_t i = nodes.size(); i-- > 0;) {  // from the back: a node's readers go before it
    const auto& outs = nodes[i]->outputs;
    if (std::any_of(outs.begin(), outs.end(), [&](ValueId id) { return id != kNoValue && use_count(id) > 0; }))
      continue;
    nodes.erase(nodes.begin() + static_cast<std::ptrdiff_t>(i));
    ++dropped;
  }
  return dropped;
}

std::string label(const Graph& graph, const Node& node) {
  return concat(graph.source, ": node \"", node.name, "\" (", node.source_op, ")");
}

void fail_node_text(const Graph& graph, const Node& node, const std::string& text) {
  fail(ErrorKind::kFormat, label(graph, node), ": ", text);
}

}  // namespace sln::importer
