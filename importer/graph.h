// The importer's own small representation of a network graph: values, nodes, constants. Knows nothing of protobuf.
//
// Ops have ONNX's names and meaning, with two liberties that only passes make use of: parameters that ONNX passes as
// constant inputs (axes, bounds, thresholds) may be attributes instead, and op "FusedConv" is a Conv with inputs
// (x, weight, bias or none, residual or none) and attribute activation (0 none, 1 ReLU, 6 ReLU6).
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "engine/error.h"
#include "engine/tensor.h"

namespace sln::importer {

enum class DataType { kUnknown, kFloat32, kFloat64, kInt32, kInt64, kBool };
using sln::to_string;  // of Dims
const char* to_string(DataType type);
bool is_real(DataType type);  // float32, float64

// A dense array on the host. Floats are held in double, whole numbers and truth values in int64.
struct Array {
  DataType type = DataType::kFloat32;
  Dims dims;
  std::vector<double> real;    // element_count(dims) values if is_real(type)
  std::vector<int64_t> whole;  // else

  int64_t count() const { return static_cast<int64_t>(is_real(type) ? real.size() : whole.size()); }
  // Elements as the wanted kind; Error(kFormat) where the array is of the other.
  const std::vector<double>& reals() const;
  const std::vector<int64_t>& wholes() const;
};
using ArrayPtr = std::shared_ptr<const Array>;

// Zero-filled arrays. Throws Error(kFormat) beyond 2^31 elements: no graph of ours has them, a damaged one may.
Array make_array(DataType type, const Dims& dims);
Array whole_array(std::vector<int64_t> values);  // int64, rank 1

using ValueId = int;
constexpr ValueId kNoValue = -1;     // an optional input that is left out
constexpr int64_t kUnknownDim = -1;  // e.g. the number of boxes

struct Value {
  std::string name;
  DataType type = DataType::kUnknown;
  bool has_shape = false;
  Dims shape;         // kUnknownDim where only a run can tell
  ArrayPtr constant;  // initializers and folded values
};

using Attribute = std::variant<int64_t, double, std::string, std::vector<int64_t>, std::vector<double>, ArrayPtr>;

struct Node {
  std::string op;
  std::string name;       // as in the file
  std::string source_op;  // op as in the file, for messages
  std::vector<ValueId> inputs;
  std::vector<ValueId> outputs;
  std::map<std::string, Attribute> attributes;

  bool has(const std::string& attribute) const { return attributes.count(attribute) != 0; }
  // Attribute of the wanted type, or the given default where it is absent; Error(kFormat) where it has another type.
  int64_t integer(const std::string& attribute, int64_t absent) const;
  double real(const std::string& attribute, double absent) const;
  std::string text(const std::string& attribute, const std::string& absent) const;
  std::vector<int64_t> integers(const std::string& attribute, const std::vector<int64_t>& absent) const;
  // Input number i, kNoValue where it is left out.
  ValueId input(size_t i) const { return i < inputs.size() ? inputs[i] : kNoValue; }
};

struct Output {
  std::string name;
  ValueId value = kNoValue;
};

class Graph {
 public:
  Graph() = default;
  Graph(const Graph& other);
  Graph& operator=(const Graph& other);
  Graph(Graph&&) = default;
  Graph& operator=(Graph&&) = default;

  std::string source;  // the file, for messages
  int opset = 17;
  std::map<std::string, std::string> metadata;
  std::vector<ValueId> inputs;
  std::vector<Output> outputs;
  std::vector<Value> values;
  std::vector<std::unique_ptr<Node>> nodes;  // in topological order after sort()
  std::vector<std::string> shape_errors;     // what infer_shapes() found to contradict itself

  ValueId add_value(const std::string& name);
  ValueId add_constant(const std::string& name, Array array);
  // Appends a node with one new output value named `name`.
  ValueId add_node(const std::string& op, const std::string& name, std::vector<ValueId> node_inputs,
                   std::map<std::string, Attribute> attributes = {});

  const Value& value(ValueId id) const { return values[static_cast<size_t>(id)]; }
  Value& value(ValueId id) { return values[static_cast<size_t>(id)]; }
  // Constant behind an input, null where it is absent or not constant.
  ArrayPtr constant(ValueId id) const { return id == kNoValue ? nullptr : value(id).constant; }

  Node* producer(ValueId id) const;            // null for graph inputs and constants
  std::vector<Node*> users(ValueId id) const;  // a node that reads it twice is listed once
  int use_count(ValueId id) const;             // reads by nodes plus graph outputs
  bool is_output(ValueId id) const;
  void replace_uses(ValueId old_value, ValueId new_value);  // in nodes and graph outputs

  // Orders nodes so that producers come first, otherwise as they were. Error(kFormat) names a node on a cycle.
  void sort();
  // Removes nodes whose outputs nobody reads. Returns how many.
  int drop_dead();
};

// FILE: node "NAME" (OP)
std::string label(const Graph& graph, const Node& node);
// Throws Error(kFormat): FILE: node "NAME" (OP): parts...
[[noreturn]] void fail_node_text(const Graph& graph, const Node& node, const std::string& text);
template <typename... Parts>
[[noreturn]] void fail_node(const Graph& graph, const Node& node, const Parts&... parts) {
  fail_node_text(graph, node, concat(parts...));
}

}  // namespace sln::importer
