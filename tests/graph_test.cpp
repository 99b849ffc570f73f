// The importer's graph: order, uses, dead code, shapes.
#include "importer/graph.h"

#include <catch2/catch.hpp>

#include "importer/shapes.h"

using namespace sln;
using namespace sln::importer;

namespace {

struct Diamond {
  Graph graph;
  ValueId x, left, right, sum;

  Diamond() {
    graph.source = "test.onnx";
    x = graph.add_value("x");
    graph.inputs = {x};
    graph.value(x).type = DataType::kFloat32;
    graph.value(x).has_shape = true;
    graph.value(x).shape = {1, 3, kUnknownDim};
    left = graph.add_node("Relu", "left", {x});
    right = graph.add_node("Exp", "right", {x});
    sum = graph.add_node("Add", "sum", {left, right});
    graph.outputs = {{"y", sum}};
  }
};

std::vector<std::string> names(const Graph& graph) {
  std::vector<std::string> found;
  for (const auto& node : graph.nodes) found.push_back(node->name);
  return found;
}

// Shape of the one node of a graph with inputs of these shapes.
Dims inferred(const std::string& op, const std::vector<Dims>& shapes, std::map<std::string, Attribute> attributes) {
  Graph graph;
  std::vector<ValueId> inputs;
  for (const Dims& shape : shapes) {
    inputs.push_back(graph.add_value("in"));
    graph.value(inputs.back()).type = DataType::kFloat32;
    graph.value(inputs.back()).has_shape = true;
    graph.value(inputs.back()).shape = shape;
  }
  const ValueId out = graph.add_node(op, "node", inputs, std::move(attributes));
  infer_shapes(graph);
  REQUIRE(graph.shape_errors.empty());
  REQUIRE(graph.value(out).has_shape);
  return graph.value(out).shape;
}

using Wholes = std::vector<int64_t>;

}  // namespace

TEST_CASE("producers, users and outputs are found", "[graph]") {
  Diamond d;
  CHECK(d.graph.producer(d.x) == nullptr);
  CHECK(d.graph.producer(d.sum)->name == "sum");
  CHECK(d.graph.users(d.x).size() == 2);
  CHECK(d.graph.use_count(d.x) == 2);
  CHECK(d.graph.use_count(d.sum) == 1);  // by the output
  CHECK(d.graph.is_output(d.sum));
  CHECK_FALSE(d.graph.is_output(d.left));
  const ValueId twice = d.graph.add_node("Mul", "twice", {d.sum, d.sum});
  CHECK(d.graph.users(d.sum).size() == 1);
  CHECK(d.graph.use_count(d.sum) == 3);
  d.graph.replace_uses(d.sum, d.left);
  CHECK(d.graph.outputs[0].value == d.left);
  CHECK(d.graph.producer(twice)->inputs == std::vector<ValueId>{d.left, d.left});
}

TEST_CASE("sorting puts producers first and keeps the order otherwise", "[graph]") {
  Diamond d;
  std::swap(d.graph.nodes[0], d.graph.nodes[2]);
  d.graph.sort();
  CHECK(names(d.graph) == std::vector<std::string>{"right", "left", "sum"});
  d.graph.sort();
  CHECK(names(d.graph) == std::vector<std::string>{"right", "left", "sum"});
}

TEST_CASE("a cycle is an error that names a node on it", "[graph]") {
  Diamond d;
  d.graph.nodes[0]->inputs[0] = d.sum;
  try {
    d.graph.sort();
    FAIL("sorted");
  } catch (const Error& error) {
    CHECK(std::string(error.what()).find("test.onnx: node \"") == 0);
    CHECK(std::string(error.what()).find("cycle") != std::string::npos);
  }
}

TEST_CASE("dead code goes, chains of it at once", "[graph]") {
  Diamond d;
  const ValueId dead = d.graph.add_node("Neg", "dead", {d.left});
  d.graph.add_node("Neg", "deader", {dead});
  CHECK(d.graph.drop_dead() == 2);
  CHECK(names(d.graph) == std::vector<std::string>{"left", "right", "sum"});
  CHECK(d.graph.drop_dead() == 0);
}

TEST_CASE("a copy shares nothing that changes", "[graph]") {
  Diamond d;
  Graph copy = d.graph;
  copy.nodes[0]->op = "Sigmoid";
  copy.value(d.x).name = "other";
  CHECK(d.graph.nodes[0]->op == "Relu");
  CHECK(d.graph.value(d.x).name == "x");
}

TEST_CASE("attributes of the wrong type are errors", "[graph]") {
  Node node;
  node.attributes = {{"axis", int64_t{3}}, {"mode", std::string("linear")}};
  CHECK(node.integer("axis", 0) == 3);
  CHECK(node.integer("absent", 7) == 7);
  CHECK(node.text("mode", "") == "linear");
  CHECK_THROWS_AS(node.text("axis", ""), Error);
  CHECK_THROWS_AS(node.integers("axis", {}), Error);
}

TEST_CASE("arrays beyond the limit are refused before memory is asked for", "[graph]") {
  CHECK_THROWS_AS(make_array(DataType::kFloat32, {int64_t{1} << 32}), Error);
  CHECK_THROWS_AS(make_array(DataType::kFloat32, {-1}), Error);
  CHECK(make_array(DataType::kInt64, {2, 3}).whole.size() == 6);
  CHECK_THROWS_AS(make_array(DataType::kInt64, {1}).reals(), Error);
  CHECK_THROWS_AS(make_array(DataType::kFloat32, {1}).wholes(), Error);
}

TEST_CASE("shapes follow from the inputs", "[graph]") {
  const int64_t n = kUnknownDim;
  CHECK(inferred("Conv", {{1, 3, 64, 64}, {6, 3, 7, 7}}, {{"strides", Wholes{2, 2}}, {"pads", Wholes{3, 3, 3, 3}}}) ==
        Dims{1, 6, 32, 32});
  CHECK(inferred("Conv", {{n, 5, 14, 14}, {20, 5, 3, 3}},
                 {{"dilations", Wholes{2, 2}}, {"pads", Wholes{2, 2, 2, 2}}}) == Dims{n, 20, 14, 14});
  CHECK(inferred("MaxPool", {{1, 6, 32, 32}},
                 {{"kernel_shape", Wholes{3, 3}}, {"strides", Wholes{2, 2}}, {"pads", Wholes{1, 1, 1, 1}}}) ==
        Dims{1, 6, 16, 16});
  CHECK(inferred("Add", {{n, 4}, {1}}, {}) == Dims{n, 4});
  CHECK(inferred("Add", {{n, 4}, {5, 1}}, {}) == Dims{5, 4});
  CHECK(inferred("Concat", {{n, 1}, {n, 4}}, {{"axis", int64_t{1}}}) == Dims{n, 5});
  CHECK(inferred("Slice", {{n, 4}}, {{"starts", Wholes{2}}, {"ends", Wholes{INT64_MAX}}, {"axes", Wholes{-1}}}) ==
        Dims{n, 2});
  CHECK(inferred("Reshape", {{1, 15, 4, 4}}, {{"shape", Wholes{15, -1}}}) == Dims{15, 16});
  CHECK(inferred("Reshape", {{2, 3}}, {{"shape", Wholes{0, -1}}}) == Dims{2, 3});
  CHECK(inferred("Transpose", {{n, 2, 3}}, {{"perm", Wholes{2, 0, 1}}}) == Dims{3, n, 2});
  CHECK(inferred("Squeeze", {{n, 1}}, {{"axes", Wholes{1}}}) == Dims{n});
  CHECK(inferred("Unsqueeze", {{n}}, {{"axes", Wholes{0, 1}}}) == Dims{1, 1, n});
  CHECK(inferred("ReduceMin", {{n, 2}}, {{"axes", Wholes{1}}, {"keepdims", int64_t{0}}}) == Dims{n});
  CHECK(inferred("ArgMax", {{n, 4, 14, 14}}, {{"axis", int64_t{1}}, {"keepdims", int64_t{0}}}) == Dims{n, 14, 14});
  CHECK(inferred("NonZero", {{n}}, {}) == Dims{1, n});
  CHECK(inferred("TopK", {{240}}, {{"k", Wholes{200}}, {"axis", int64_t{0}}}) == Dims{200});
  CHECK(inferred("Gather", {{240, 4}, {200}}, {{"axis", int64_t{0}}}) == Dims{200, 4});
}

TEST_CASE("shapes that contradict each other are told, not thrown", "[graph]") {
  Graph graph;
  graph.source = "test.onnx";
  const ValueId a = graph.add_constant("a", make_array(DataType::kFloat32, {2, 3}));
  const ValueId b = graph.add_constant("b", make_array(DataType::kFloat32, {2, 4}));
  graph.add_node("Add", "sum", {a, b});
  infer_shapes(graph);
  REQUIRE(graph.shape_errors.size() == 1);
  CHECK(graph.shape_errors[0].find("node \"sum\" (Add)") != std::string::npos);
}
