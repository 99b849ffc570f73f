// Every rewrite against the double evaluator: on random graphs the rewritten graph computes what the original did, and
// has the form that the rewrite promises.
#include "importer/passes/passes.h"

#include <catch2/catch.hpp>
#include <cmath>
#include <random>

#include "importer/reference.h"
#include "importer/shapes.h"

using namespace sln;
using namespace sln::importer;

namespace {

using Wholes = std::vector<int64_t>;
using Attributes = std::map<std::string, Attribute>;

// Makes random graphs; the seed makes them reproducible.
struct Maker {
  explicit Maker(unsigned seed) : random(seed) { graph.source = "test.onnx"; }

  int64_t between(int64_t low, int64_t high) { return std::uniform_int_distribution<int64_t>(low, high)(random); }
  bool flip() { return between(0, 1) == 1; }

  Array floats(const Dims& dims, double low = -1, double high = 1) {
    Array array = make_array(DataType::kFloat32, dims);
    for (double& x : array.real)
      x = static_cast<double>(static_cast<float>(std::uniform_real_distribution<double>(low, high)(random)));
    return array;
  }
  ValueId input(const Dims& dims) {
    const ValueId id = graph.add_value("in" + std::to_string(graph.inputs.size()));
    graph.value(id).type = DataType::kFloat32;
    graph.value(id).has_shape = true;
    graph.value(id).shape = dims;
    graph.inputs.push_back(id);
    feeds[id] = floats(dims);
    return id;
  }
  ValueId constant(Array array) { return graph.add_constant("const", std::move(array)); }
  ValueId wholes(const Wholes& values) { return constant(whole_array(values)); }
  ValueId scalar(double x) {
    Array array = make_array(DataType::kFloat32, {});
    array.real[0] = x;
    return constant(std::move(array));
  }
  ValueId node(const std::string& op, const std::vector<ValueId>& inputs, Attributes attributes = {}) {
    return graph.add_node(op, op + std::to_string(graph.nodes.size()), inputs, std::move(attributes));
  }
  void output(ValueId id) { graph.outputs.push_back({"out" + std::to_string(graph.outputs.size()), id}); }

  // A convolution of random window; `keep_size` pads so that the map keeps its size.
  ValueId conv(ValueId x, int64_t in, int64_t out, bool with_bias, int64_t kernel = 3) {
    const int64_t dilation = between(1, 2), pad = dilation * (kernel / 2);
    std::vector<ValueId> inputs = {x, constant(floats({out, in, kernel, kernel}))};
    if (with_bias) inputs.push_back(constant(floats({out})));
    return node("Conv", inputs, {{"pads", Wholes{pad, pad, pad, pad}}, {"dilations", Wholes{dilation, dilation}}});
  }

  std::mt19937 random;
  Graph graph;
  std::map<ValueId, Array> feeds;
};

std::vector<Array> run(const Graph& graph, const std::map<ValueId, Array>& feeds) {
  std::vector<ValueId> wanted;
  for (const Output& output : graph.outputs) wanted.push_back(output.value);
  const auto found = evaluate(graph, feeds, wanted, 2);
  std::vector<Array> arrays;
  for (const ValueId id : wanted) arrays.push_back(found.at(id));
  return arrays;
}

int count(const Graph& graph, const std::string& op) {
  int found = 0;
  for (const auto& node : graph.nodes) found += node->op == op ? 1 : 0;
  return found;
}

// Runs `pass` on a copy and compares all outputs. Returns the rewritten graph.
Graph same_after(const Maker& maker, int (*pass)(Graph&), int expected_rewrites, double tolerance = 1e-10) {
  Graph before = maker.graph;
  infer_shapes(before);
  REQUIRE(before.shape_errors.empty());
  Graph after = before;
  CHECK(pass(after) == expected_rewrites);
  after.drop_dead();
  after.sort();
  infer_shapes(after);
  CHECK(after.shape_errors.empty());
  const auto a = run(before, maker.feeds), b = run(after, maker.feeds);
  REQUIRE(a.size() == b.size());
  for (size_t i = 0; i < a.size(); ++i) {
    REQUIRE(a[i].dims == b[i].dims);
    REQUIRE(a[i].type == b[i].type);
    CHECK(a[i].whole == b[i].whole);
    for (size_t k = 0; k < a[i].real.size(); ++k) {
      INFO("output " << i << ", element " << k);
      REQUIRE(b[i].real[k] == Approx(a[i].real[k]).margin(tolerance).epsilon(tolerance));
    }
  }
  return after;
}

int canonicalise_all(Graph& graph) {
  canonicalise(graph);
  return 0;
}

int rewrite_all(Graph& graph) {
  rewrite(graph);
  return 0;
}

constexpr unsigned kSeeds = 12;

}  // namespace

TEST_CASE("constant folding: chains, and shapes of maps of known size", "[passes]") {
  for (unsigned seed = 0; seed < kSeeds; ++seed) {
    Maker m(seed);
    const ValueId x = m.input({2, m.between(1, 5), m.between(1, 5)});
    const ValueId shape = m.node("Shape", {x});
    const ValueId first = m.node("Slice", {shape, m.wholes({0}), m.wholes({1}), m.wholes({0})});
    const ValueId target = m.node("Concat", {first, m.wholes({-1})}, {{"axis", int64_t{0}}});
    const ValueId flat = m.node("Reshape", {x, target});
    const ValueId scale = m.node("Exp", {m.node("Mul", {m.scalar(0.5), m.constant(m.floats({1}))})});
    m.output(m.node("Mul", {flat, scale}));
    const Graph after = same_after(m, fold_constants, 5, 1e-6);  // folded floats are rounded to float32
    CHECK(after.nodes.size() == 2);
    CHECK(after.constant(after.nodes[0]->inputs[1])->whole == Wholes{2, -1});
  }
}

TEST_CASE("constant folding rounds once per node, as float32 arithmetic does", "[passes]") {
  Maker m(1);
  const float a = 0.1f, b = 0.7f, c = 1e-3f;
  const ValueId product = m.node("Mul", {m.scalar(a), m.scalar(b)});
  const ValueId sum = m.node("Add", {product, m.scalar(c)});
  m.output(sum);
  fold_constants(m.graph);
  const volatile float rounded = a * b;  // volatile: no contraction with the sum
  CHECK(m.graph.constant(sum)->real[0] == static_cast<double>(rounded + c));
}

TEST_CASE("constant inputs that are parameters become attributes", "[passes]") {
  Maker m(2);
  const ValueId x = m.input({3, 4});
  const ValueId sliced = m.node("Slice", {x, m.wholes({1}), m.wholes({3}), m.wholes({1})});
  const ValueId clipped = m.node("Clip", {sliced, kNoValue, m.scalar(0.25)});
  m.output(m.node("ReduceMin", {clipped, m.wholes({1})}, {{"keepdims", int64_t{0}}}));
  m.output(m.node("Unsqueeze", {x, m.wholes({0, 3})}));
  const Graph after = same_after(m, inline_parameters, 6);
  for (const auto& node : after.nodes) CHECK(node->inputs.size() == 1);
}

TEST_CASE("axes and bounds become positive and tight", "[passes]") {
  for (unsigned seed = 0; seed < kSeeds; ++seed) {
    Maker m(seed);
    const ValueId x = m.input({3, 6, 4});
    m.output(m.node("Softmax", {x}, {{"axis", m.between(-3, -1)}}));
    const ValueId cut =
        m.node("Slice", {x},
               {{"starts", Wholes{-4}}, {"ends", Wholes{INT64_MAX}}, {"axes", Wholes{-2}}, {"steps", Wholes{1}}});
    m.output(cut);
    m.output(m.node("Concat", {x, x}, {{"axis", int64_t{-1}}}));
    m.output(
        m.node("Slice", {x}, {{"starts", Wholes{5}}, {"ends", Wholes{0}}, {"axes", Wholes{1}}, {"steps", Wholes{-2}}}));
    const Graph after = same_after(m, normalise_axes, 3);
    const Node& slice = *after.producer(after.outputs[1].value);
    CHECK(slice.integers("starts", {}) == Wholes{2});
    CHECK(slice.integers("ends", {}) == Wholes{6});
    CHECK(slice.integers("axes", {}) == Wholes{1});
    CHECK_FALSE(slice.has("steps"));
  }
}

TEST_CASE("nodes that change nothing go, their like that do stay", "[passes]") {
  Maker m(3);
  const ValueId x = m.input({2, 3});
  const ValueId a = m.node("Identity", {x});
  const ValueId b = m.node("Pad", {a}, {{"pads", Wholes{0, 0, 0, 0}}});
  const ValueId c = m.node("Cast", {b}, {{"to", int64_t{1}}});
  const ValueId d = m.node("Slice", {c}, {{"starts", Wholes{0}}, {"ends", Wholes{3}}, {"axes", Wholes{1}}});
  const ValueId e = m.node("Reshape", {d}, {{"shape", Wholes{2, 3}}});
  m.output(m.node("Transpose", {e}, {{"perm", Wholes{0, 1}}}));
  m.output(m.node("Transpose", {x}, {{"perm", Wholes{1, 0}}}));
  m.output(m.node("Pad", {x}, {{"pads", Wholes{0, 1, 0, 0}}}));
  m.output(m.node("Slice", {x}, {{"starts", Wholes{0}}, {"ends", Wholes{2}}, {"axes", Wholes{1}}}));
  m.output(m.node("Reshape", {x}, {{"shape", Wholes{3, 2}}}));
  m.output(m.node("Cast", {x}, {{"to", int64_t{7}}}));
  const Graph after = same_after(m, remove_identities, 6);
  CHECK(after.nodes.size() == 5);
  CHECK(after.outputs[0].value == x);
}

TEST_CASE("GatherND of rows becomes Gather", "[passes]") {
  for (unsigned seed = 0; seed < kSeeds; ++seed) {
    Maker m(seed);
    const ValueId x = m.input({6, m.between(1, 4)});
    Wholes rows;
    for (int i = 0; i < 4; ++i) rows.push_back(m.between(0, 5));
    const ValueId list = m.node("Unsqueeze", {m.wholes(rows)}, {{"axes", Wholes{1}}});
    m.output(m.node("GatherND", {x, list}));
    const Graph after = same_after(m, gather_nd_to_gather, 1);
    CHECK(count(after, "Gather") == 1);
    CHECK(count(after, "GatherND") == 0);
  }
  Maker m(0);  // pairs of indices are no rows
  const ValueId pairs = m.node("Unsqueeze", {m.wholes({1, 2})}, {{"axes", Wholes{0}}});
  m.output(m.node("GatherND", {m.input({3, 4}), pairs}));
  same_after(m, gather_nd_to_gather, 0);
}

TEST_CASE("Gather of consecutive indices becomes Slice, of one index Slice and Squeeze", "[passes]") {
  Maker m(5);
  const ValueId x = m.input({2, 7, 3});
  m.output(m.node("Gather", {x, m.wholes({2, 3, 4})}, {{"axis", int64_t{1}}}));
  Array index = make_array(DataType::kInt64, {});
  index.whole[0] = -1;
  m.output(m.node("Gather", {x, m.constant(std::move(index))}, {{"axis", int64_t{1}}}));
  m.output(m.node("Gather", {x, m.wholes({4, 2})}, {{"axis", int64_t{1}}}));
  const Graph after = same_after(m, gather_to_slice, 2);
  CHECK(count(after, "Gather") == 1);
  CHECK(count(after, "Slice") == 2);
  CHECK(count(after, "Squeeze") == 1);
}

TEST_CASE("a slice of a concatenation becomes its inputs", "[passes]") {
  Maker m(6);
  const ValueId a = m.input({2, 1}), b = m.input({2, 4}), c = m.input({2, 2});
  const ValueId joined = m.node("Concat", {a, b, c}, {{"axis", int64_t{1}}});
  const auto slice = [&](int64_t start, int64_t end) {
    return m.node("Slice", {joined}, {{"starts", Wholes{start}}, {"ends", Wholes{end}}, {"axes", Wholes{1}}});
  };
  m.output(m.node("Relu", {slice(1, 5)}));
  m.output(m.node("Relu", {slice(0, 5)}));
  m.output(m.node("Relu", {slice(1, 4)}));  // cuts an input
  const Graph after = same_after(m, slice_of_concat, 2);
  CHECK(count(after, "Identity") == 1);
  CHECK(count(after, "Concat") == 2);
  CHECK(count(after, "Slice") == 1);
}

TEST_CASE("zeros as many as boxes have one form", "[passes]") {
  Maker m(7);
  const ValueId x = m.input({3, 1});
  m.output(m.node("Expand", {m.scalar(0), m.node("Shape", {x})}));
  const Graph after = same_after(m, expand_to_constant_of_shape, 1);
  CHECK(count(after, "ConstantOfShape") == 1);
}

TEST_CASE("two Unsqueezes become one", "[passes]") {
  for (unsigned seed = 0; seed < 40; ++seed) {
    Maker m(seed);
    const ValueId x = m.input({2, 3});
    Wholes inner = {m.between(0, 2)}, outer = {m.between(0, 3)};
    if (m.flip()) {
      outer = {0, 0};
      while (outer[0] == outer[1]) outer = {m.between(0, 4), m.between(0, 4)};
      std::sort(outer.begin(), outer.end());
    }
    m.output(m.node("Unsqueeze", {m.node("Unsqueeze", {x}, {{"axes", inner}})}, {{"axes", outer}}));
    CHECK(same_after(m, merge_unsqueezes, 1).nodes.size() == 1);
  }
}

TEST_CASE("a reshape to one dimension of a column becomes Squeeze", "[passes]") {
  Maker m(9);
  m.output(m.node("Reshape", {m.input({5, 1})}, {{"shape", Wholes{-1}}}));
  m.output(m.node("Reshape", {m.input({5, 2})}, {{"shape", Wholes{-1}}}));
  CHECK(count(same_after(m, reshape_to_squeeze, 1), "Squeeze") == 1);
}

TEST_CASE("canonical form reaches a fixpoint on graphs with all of it", "[passes]") {
  Maker m(10);
  const ValueId x = m.input({4, 3});
  const ValueId zeros = m.node(
      "Expand", {m.scalar(0), m.node("Shape", {m.node("Slice", {x, m.wholes({0}), m.wholes({1}), m.wholes({1})})})});
  const ValueId joined = m.node("Concat", {zeros, x}, {{"axis", int64_t{-1}}});
  Array first = make_array(DataType::kInt64, {});
  m.output(m.node("Gather", {joined, m.constant(first)}, {{"axis", int64_t{1}}}));
  m.output(m.node("Gather", {joined, m.wholes({1, 2, 3})}, {{"axis", int64_t{1}}}));
  const Graph after = same_after(m, canonicalise_all, 0);
  CHECK(after.outputs[1].value == x);  // the columns behind the zeros are the boxes themselves
}

TEST_CASE("normalisation goes into the convolution", "[passes]") {
  for (unsigned seed = 0; seed < kSeeds; ++seed) {
    Maker m(seed);
    const int64_t in = m.between(1, 5), out = m.between(1, 9);
    const ValueId x = m.input({m.between(1, 2), in, 5, 7});
    const ValueId y = m.conv(x, in, out, m.flip());
    const ValueId z = m.node("BatchNormalization",
                             {y, m.constant(m.floats({out}, 0.5, 2)), m.constant(m.floats({out})),
                              m.constant(m.floats({out})), m.constant(m.floats({out}, 0.1, 3))},
                             {{"epsilon", 1e-3}});
    m.output(m.node("Relu", {z}));
    const Graph after = same_after(m, fold_batch_norm, 1);
    CHECK(count(after, "BatchNormalization") == 0);
    CHECK(count(after, "Conv") == 1);
  }
}

TEST_CASE("normalisation of a map that others read stays", "[passes]") {
  Maker m(11);
  const ValueId y = m.conv(m.input({1, 2, 4, 4}), 2, 3, false);
  const auto threes = [&] { return m.constant(m.floats({3}, 0.5, 2)); };
  m.output(m.node("BatchNormalization", {y, threes(), threes(), threes(), threes()}));
  m.output(y);
  same_after(m, fold_batch_norm, 0);
}

TEST_CASE("bias and activation go into the convolution", "[passes]") {
  for (unsigned seed = 0; seed < kSeeds; ++seed) {
    Maker m(seed);
    const int64_t in = m.between(1, 4), out = m.between(2, 6);
    ValueId y = m.conv(m.input({1, in, 6, 6}), in, out, m.flip());
    const bool bias = m.flip(), relu = m.flip();
    if (bias) {
      const ValueId added = m.constant(m.floats(m.flip() ? Dims{1, out, 1, 1} : Dims{out, 1, 1}));
      y = m.flip() ? m.node("Add", {y, added}) : m.node("Add", {added, y});
    }
    if (relu) y = m.node("Relu", {y});
    m.output(y);
    const Graph after = same_after(m, fuse_conv_bias_activation, 1);
    CHECK(after.nodes.size() == 1);
    CHECK(after.nodes[0]->op == "FusedConv");
    CHECK(after.nodes[0]->integer("activation", 0) == (relu ? 1 : 0));
  }
}

TEST_CASE("what is added per pixel or read twice is no bias", "[passes]") {
  Maker m(12);
  const ValueId x = m.input({1, 2, 4, 4});
  m.output(m.node("Add", {m.conv(x, 2, 3, true), m.constant(m.floats({1, 1, 4, 4}))}));
  const ValueId read_twice = m.conv(x, 2, 3, true);
  m.output(m.node("Relu", {read_twice}));
  m.output(read_twice);
  const Graph after = same_after(m, fuse_conv_bias_activation, 2);
  CHECK(count(after, "Add") == 1);
  CHECK(count(after, "Relu") == 1);
}

TEST_CASE("zeros padded around a map go into the convolution's pads", "[passes]") {
  for (unsigned seed = 0; seed < kSeeds; ++seed) {
    Maker m(seed);
    const int64_t channels = m.between(1, 4), groups = m.flip() ? channels : 1;
    const ValueId x = m.input({1, channels, 8, 6});
    const int64_t top = m.between(0, 2), left = m.between(0, 2), bottom = m.between(0, 2), right = m.between(0, 2);
    const ValueId padded = m.node("Pad", {x}, {{"pads", Wholes{0, 0, top, left, 0, 0, bottom, right}}});
    const Wholes own = {m.between(0, 1), 0, m.between(0, 1), 1};
    const ValueId weight = m.constant(m.floats({channels, channels / groups, 3, 3}));
    m.output(m.node("Conv", {padded, weight}, {{"pads", own}, {"strides", Wholes{2, 2}}, {"group", groups}}));
    const bool read_twice = m.flip();
    if (read_twice) m.output(padded);
    const Graph after = same_after(m, fold_pads, 1);
    CHECK(count(after, "Pad") == (read_twice ? 1 : 0));
    CHECK(after.nodes.back()->integers("pads", {}) ==
          Wholes{own[0] + top, own[1] + left, own[2] + bottom, own[3] + right});
  }
}

TEST_CASE("padding that is no convolution's own stays", "[passes]") {
  const Attributes others[] = {{{"pads", Wholes{0, 0, 1, 1, 0, 0, 1, 1}}, {"constant_value", 0.5}},
                               {{"pads", Wholes{0, 1, 0, 0, 0, 0, 1, 1}}}};
  for (const Attributes& attributes : others) {
    Maker m(1);
    const int64_t channels = attributes.count("constant_value") != 0 ? 2 : 3;
    const ValueId padded = m.node("Pad", {m.input({1, 2, 6, 6})}, attributes);
    m.output(m.node("Conv", {padded, m.constant(m.floats({3, channels, 3, 3}))}));
    CHECK(count(same_after(m, fold_pads, 0), "Pad") == 1);
  }
}

TEST_CASE("Relu and an upper bound become one Clip", "[passes]") {
  for (unsigned seed = 0; seed < kSeeds; ++seed) {
    Maker m(seed);
    Array x = m.floats({2, 3, 4, 4}, -9, 9);
    const ValueId in = m.input({2, 3, 4, 4});
    m.feeds[in] = x;
    const ValueId relu = m.node("Relu", {in});
    const int form = static_cast<int>(m.between(0, 3));
    const ValueId six = m.scalar(6);
    m.output(form == 0   ? m.node("Clip", {relu}, {{"min", 0.0}, {"max", 6.0}})
             : form == 1 ? m.node("Clip", {relu}, {{"min", -1.0}, {"max", 6.0}})
             : form == 2 ? m.node("Min", {relu, six})
                         : m.node("Min", {six, relu}));
    const Graph after = same_after(m, merge_relu_clip, 1);
    REQUIRE(after.nodes.size() == 1);
    CHECK(after.nodes[0]->op == "Clip");
    CHECK(after.nodes[0]->real("min", -1) == 0);
    CHECK(after.nodes[0]->real("max", -1) == 6);
  }
  Maker m(1);  // a bound from below that Relu does not make idle, a bound per channel, a map that others read
  const ValueId x = m.input({1, 3, 2, 2});
  m.output(m.node("Clip", {m.node("Relu", {x})}, {{"min", 0.5}, {"max", 6.0}}));
  m.output(m.node("Min", {m.node("Relu", {x}), m.constant(m.floats({3, 1, 1}))}));
  const ValueId shared = m.node("Relu", {x});
  m.output(m.node("Clip", {shared}, {{"max", 6.0}}));
  m.output(shared);
  CHECK(count(same_after(m, merge_relu_clip, 0), "Relu") == 3);
}

TEST_CASE("ReLU6 goes into the convolution, other bounds do not", "[passes]") {
  for (const double bound : {6.0, 5.0}) {
    Maker m(3);
    Array weight = m.floats({3, 1, 3, 3}, -9, 9);
    const ValueId y = m.node("Conv", {m.input({1, 3, 6, 6}), m.constant(std::move(weight))}, {{"group", int64_t{3}}});
    m.output(m.node("Clip", {y}, {{"min", 0.0}, {"max", bound}}));
    const Graph after = same_after(m, fuse_conv_bias_activation, 1);
    CHECK(count(after, "Clip") == (bound == 6.0 ? 0 : 1));
    CHECK(after.nodes[0]->integer("activation", 0) == (bound == 6.0 ? 6 : 0));
  }
}

TEST_CASE("normalisation goes into a depthwise convolution", "[passes]") {
  for (unsigned seed = 0; seed < kSeeds; ++seed) {
    Maker m(seed);
    const int64_t channels = m.between(2, 9), kernel = m.flip() ? 3 : 5;
    const ValueId y =
        m.node("Conv", {m.input({1, channels, 7, 7}), m.constant(m.floats({channels, 1, kernel, kernel}))},
               {{"group", channels}, {"strides", Wholes{2, 2}}, {"pads", Wholes{1, 1, 2, 2}}});
    m.output(m.node("BatchNormalization",
                    {y, m.constant(m.floats({channels}, 0.5, 2)), m.constant(m.floats({channels})),
                     m.constant(m.floats({channels})), m.constant(m.floats({channels}, 0.1, 3))},
                    {{"epsilon", 1e-3}}));
    CHECK(count(same_after(m, fold_batch_norm, 1), "Conv") == 1);
  }
}

namespace {

int fuse_both(Graph& graph) {
  fuse_conv_bias_activation(graph);
  return fuse_residual_add(graph);
}

}  // namespace

TEST_CASE("a bottleneck's sum goes into its last convolution", "[passes]") {
  for (unsigned seed = 0; seed < kSeeds; ++seed) {
    Maker m(seed);
    const int64_t channels = m.between(1, 5);
    const ValueId x = m.input({1, channels, 5, 5});
    const ValueId identity = m.flip() ? m.conv(x, channels, channels, true, 1) : m.node("Relu", {x});
    const ValueId inner = m.node("Relu", {m.conv(x, channels, 3, true)});
    const ValueId y = m.conv(inner, 3, channels, true);
    m.output(m.node("Relu", {m.flip() ? m.node("Add", {y, identity}) : m.node("Add", {identity, y})}));
    const Graph after = same_after(m, fuse_both, 1);
    CHECK(count(after, "Add") == 0);
    const Node& last = *after.producer(after.outputs[0].value);
    CHECK(last.op == "FusedConv");
    CHECK(last.inputs.size() == 4);
    CHECK(last.inputs[0] == inner);  // the deeper of the two takes the other's output
    CHECK(last.integer("activation", 0) == 1);
  }
}

TEST_CASE("an inverted residual's sum goes into its projection, which gets no activation", "[passes]") {
  for (unsigned seed = 0; seed < kSeeds; ++seed) {
    Maker m(seed);
    const int64_t channels = m.between(1, 5), width = 2 * channels;
    const ValueId x = m.conv(m.input({1, channels, 5, 5}), channels, channels, true, 1);
    const ValueId wide = m.node("Relu", {m.conv(x, channels, width, true, 1)});
    const ValueId y = m.conv(wide, width, channels, true, 1);
    const ValueId sum = m.flip() ? m.node("Add", {y, x}) : m.node("Add", {x, y});
    m.output(sum);
    m.output(m.node("Relu", {sum}));
    const Graph after = same_after(m, fuse_both, 1);
    CHECK(count(after, "Add") == 0);
    const Node& last = *after.producer(after.outputs[0].value);
    CHECK(last.inputs[0] == wide);
    CHECK(last.integer("activation", 0) == 0);
  }
}

TEST_CASE("sums without activation, of other shapes or of shared maps stay sums", "[passes]") {
  Maker m(13);
  const ValueId x = m.input({1, 2, 4, 4});
  m.output(m.node("Add", {m.conv(x, 2, 2, true), x}));                                        // no activation
  m.output(m.node("Relu", {m.node("Add", {m.conv(x, 2, 3, true), m.input({1, 1, 4, 4})})}));  // broadcasts
  const ValueId shared = m.conv(x, 2, 2, true);
  m.output(m.node("Relu", {m.node("Add", {shared, x})}));
  m.output(shared);
  CHECK(count(same_after(m, fuse_both, 0), "Add") == 3);
}

namespace {

// concat(direct and enlarged maps) -> 1x1 convolution -> Relu; returns whether both kinds are there.
bool make_fuse(Maker& m, bool& any_direct) {
  const int64_t side = 8;
  std::vector<ValueId> parts;
  int64_t channels = 0;
  bool any_resized = false;
  const int64_t maps = m.between(2, 4);
  for (int64_t i = 0; i < maps; ++i) {
    const int64_t c = m.between(1, 4), small = Wholes{1, 2, 3, 4, 8}[static_cast<size_t>(m.between(0, 4))];
    channels += c;
    if (m.flip()) {
      any_resized = true;
      parts.push_back(m.node("Resize", {m.input({1, c, small, small})},
                             {{"mode", std::string("linear")}, {"sizes", Wholes{1, c, side, side}}}));
    } else {
      any_direct = true;
      parts.push_back(m.input({1, c, side, side}));
    }
  }
  const ValueId joined = m.node("Concat", parts, {{"axis", int64_t{1}}});
  const int64_t out = m.between(1, 6);
  std::vector<ValueId> inputs = {joined, m.constant(m.floats({out, channels, 1, 1}))};
  if (m.flip()) inputs.push_back(m.constant(m.floats({out})));
  m.output(m.node("FusedConv", inputs, {{"activation", m.between(0, 1)}}));
  return any_resized;
}

}  // namespace

TEST_CASE("a 1x1 convolution over enlarged maps runs at their own size", "[passes]") {
  int applied = 0;
  for (unsigned seed = 0; seed < 40; ++seed) {
    Maker m(seed);
    bool any_direct = false;
    const bool any_resized = make_fuse(m, any_direct);
    const Graph after = same_after(m, fuse_low_resolution, any_resized && any_direct ? 1 : 0);
    if (!any_resized || !any_direct) continue;
    ++applied;
    CHECK(count(after, "Concat") == 0);
    for (const auto& node : after.nodes)
      if (node->op == "Resize") CHECK(after.producer(node->inputs[0])->op == "FusedConv");
  }
  CHECK(applied >= 20);
}

TEST_CASE("a resize that does not commute is left alone", "[passes]") {
  for (const bool wide_window : {false, true}) {
    Maker m(14);
    const std::string mode = wide_window ? "linear" : "nearest";
    const ValueId enlarged = m.node("Resize", {m.input({1, 2, 4, 4})}, {{"mode", mode}, {"sizes", Wholes{1, 2, 8, 8}}});
    const ValueId joined = m.node("Concat", {m.input({1, 2, 8, 8}), enlarged}, {{"axis", int64_t{1}}});
    const int64_t k = wide_window ? 3 : 1;
    m.output(m.node("FusedConv", {joined, m.constant(m.floats({3, 4, k, k}))},
                    {{"pads", Wholes{k / 2, k / 2, k / 2, k / 2}}}));
    infer_shapes(m.graph);
    CHECK(fuse_low_resolution(m.graph) == 0);
  }
}

TEST_CASE("all rewrites together on a small network", "[passes]") {
  for (unsigned seed = 0; seed < kSeeds; ++seed) {
    Maker m(seed);
    const ValueId x = m.input({1, 3, 16, 16});
    const auto norm = [&](ValueId y, int64_t c) {
      return m.node("BatchNormalization", {y, m.constant(m.floats({c}, 0.5, 2)), m.constant(m.floats({c})),
                                           m.constant(m.floats({c})), m.constant(m.floats({c}, 0.1, 3))});
    };
    const ValueId stem = m.node("Relu", {norm(m.conv(x, 3, 4, false), 4)});
    const ValueId small = m.node("MaxPool", {stem}, {{"kernel_shape", Wholes{2, 2}}, {"strides", Wholes{2, 2}}});
    const ValueId block = m.node("Relu", {m.node("Add", {norm(m.conv(small, 4, 4, false), 4), small})});
    const ValueId sizes = m.node(
        "Concat",
        {m.node("Slice", {m.node("Shape", {block}), m.wholes({0}), m.wholes({2}), m.wholes({0})}), m.wholes({16, 16})},
        {{"axis", int64_t{0}}});
    const ValueId enlarged = m.node("Resize", {block, kNoValue, kNoValue, sizes}, {{"mode", std::string("linear")}});
    const ValueId joined = m.node("Concat", {stem, enlarged}, {{"axis", int64_t{1}}});
    m.output(m.node("Relu", {norm(m.node("Conv", {joined, m.constant(m.floats({5, 8, 1, 1}))}), 5)}));
    const Graph after = same_after(m, rewrite_all, 0);
    CHECK(after.nodes.size() == 6);  // stem, pool, block, the block's slice of the fuse, resize, the stem's slice
  }
}
