// The double evaluator: every operator against values worked out by hand or by the plainest loop.
#include "importer/reference.h"

#include <catch2/catch.hpp>
#include <cmath>
#include <random>

#include "importer/operators.h"

using namespace sln;
using namespace sln::importer;

namespace {

using Wholes = std::vector<int64_t>;
using Reals = std::vector<double>;
using Attributes = std::map<std::string, Attribute>;

Array reals(const Dims& dims, const Reals& values) {
  Array array = make_array(DataType::kFloat32, dims);
  REQUIRE(array.real.size() == values.size());
  array.real = values;
  return array;
}

Array wholes(const Dims& dims, const Wholes& values, DataType type = DataType::kInt64) {
  Array array = make_array(type, dims);
  REQUIRE(array.whole.size() == values.size());
  array.whole = values;
  return array;
}

Array random_array(const Dims& dims, unsigned seed) {
  std::mt19937 random(seed);
  Array array = make_array(DataType::kFloat32, dims);
  for (double& x : array.real) x = std::uniform_real_distribution<double>(-1, 1)(random);
  return array;
}

std::vector<Array> evaluate_all(const std::string& op, const std::vector<Array>& inputs, Attributes attributes = {},
                                int threads = 1) {
  Graph graph;
  graph.source = "test.onnx";
  Node node;
  node.op = node.source_op = op;
  node.name = "the node";
  node.attributes = std::move(attributes);
  std::vector<const Array*> refs;
  for (const Array& input : inputs) refs.push_back(&input);
  return evaluate_node(graph, node, refs, threads);
}

Array evaluate_one(const std::string& op, const std::vector<Array>& inputs, Attributes attributes = {}) {
  return evaluate_all(op, inputs, std::move(attributes)).at(0);
}

void check_reals(const Array& found, const Dims& dims, const Reals& expected) {
  CHECK(found.dims == dims);
  REQUIRE(found.real.size() == expected.size());
  for (size_t i = 0; i < expected.size(); ++i) {
    INFO("element " << i);
    CHECK(found.real[i] == Approx(expected[i]).margin(1e-12));
  }
}

void check_wholes(const Array& found, const Dims& dims, const Wholes& expected) {
  CHECK(found.dims == dims);
  CHECK(found.whole == expected);
}

struct ConvCase {
  int64_t batch, in, height, width, out, kernel_h, kernel_w, stride, pad, dilation, group;
};

// The definition, six loops.
Array plain_conv(const ConvCase& c, const Array& x, const Array& w, const Array& bias) {
  const int64_t oh = (c.height + 2 * c.pad - c.dilation * (c.kernel_h - 1) - 1) / c.stride + 1;
  const int64_t ow = (c.width + 2 * c.pad - c.dilation * (c.kernel_w - 1) - 1) / c.stride + 1;
  Array out = make_array(DataType::kFloat32, {c.batch, c.out, oh, ow});
  const int64_t in_group = c.in / c.group, out_group = c.out / c.group;
  size_t at = 0;
  for (int64_t n = 0; n < c.batch; ++n)
    for (int64_t o = 0; o < c.out; ++o)
      for (int64_t y = 0; y < oh; ++y)
        for (int64_t x0 = 0; x0 < ow; ++x0) {
          double sum = bias.real[static_cast<size_t>(o)];
          for (int64_t i = 0; i < in_group; ++i)
            for (int64_t ky = 0; ky < c.kernel_h; ++ky)
              for (int64_t kx = 0; kx < c.kernel_w; ++kx) {
                const int64_t iy = y * c.stride - c.pad + ky * c.dilation, ix = x0 * c.stride - c.pad + kx * c.dilation;
                if (iy < 0 || iy >= c.height || ix < 0 || ix >= c.width) continue;
                const int64_t channel = o / out_group * in_group + i;
                sum += x.real[static_cast<size_t>(((n * c.in + channel) * c.height + iy) * c.width + ix)] *
                       w.real[static_cast<size_t>(((o * in_group + i) * c.kernel_h + ky) * c.kernel_w + kx)];
              }
          out.real[at++] = sum;
        }
  return out;
}

}  // namespace

TEST_CASE("convolution equals its definition for every kind of window", "[reference]") {
  const ConvCase cases[] = {
      {1, 3, 9, 7, 5, 3, 3, 1, 1, 1, 1},      {2, 4, 16, 16, 9, 3, 3, 2, 1, 1, 1},  {1, 3, 32, 32, 6, 7, 7, 2, 3, 1, 1},
      {1, 6, 8, 8, 10, 3, 3, 2, 2, 2, 1},     {3, 5, 14, 14, 20, 1, 1, 1, 0, 1, 1}, {1, 8, 10, 6, 4, 1, 1, 2, 0, 1, 1},
      {1, 300, 15, 15, 17, 1, 1, 1, 0, 1, 1}, {1, 40, 9, 9, 8, 3, 3, 1, 1, 1, 1},   {1, 6, 7, 9, 6, 3, 3, 1, 1, 1, 6},
      {2, 8, 6, 6, 12, 5, 5, 1, 2, 1, 4},     {1, 2, 4, 5, 3, 2, 3, 1, 0, 1, 1},
  };
  unsigned seed = 0;
  for (const ConvCase& c : cases) {
    const Array x = random_array({c.batch, c.in, c.height, c.width}, ++seed);
    const Array w = random_array({c.out, c.in / c.group, c.kernel_h, c.kernel_w}, ++seed);
    const Array b = random_array({c.out}, ++seed);
    const Attributes attributes = {{"strides", Wholes{c.stride, c.stride}},
                                   {"pads", Wholes{c.pad, c.pad, c.pad, c.pad}},
                                   {"dilations", Wholes{c.dilation, c.dilation}},
                                   {"group", c.group}};
    const Array expected = plain_conv(c, x, w, b);
    for (const int threads : {1, 2, 3}) {
      INFO("case " << seed / 3 << ", threads " << threads);
      check_reals(evaluate_all("Conv", {x, w, b}, attributes, threads)[0], expected.dims, expected.real);
    }
  }
}

TEST_CASE("a fused convolution adds bias and residual before the activation", "[reference]") {
  const Array x = reals({1, 1, 1, 2}, {1, 2}), w = reals({1, 1, 1, 1}, {3}), b = reals({1}, {-4});
  const Array r = reals({1, 1, 1, 2}, {0.5, -3});
  check_reals(evaluate_one("FusedConv", {x, w, b, r}, {{"activation", int64_t{1}}}), {1, 1, 1, 2}, {0, 0});
  check_reals(evaluate_one("FusedConv", {x, w, b, r}), {1, 1, 1, 2}, {-0.5, -1});
}

TEST_CASE("pooling", "[reference]") {
  const Array x = reals({1, 1, 3, 3}, {-1, -2, -3, -4, -5, -6, -7, -8, -9});
  const Attributes window = {{"kernel_shape", Wholes{3, 3}}, {"strides", Wholes{2, 2}}, {"pads", Wholes{1, 1, 1, 1}}};
  check_reals(evaluate_one("MaxPool", {x}, window), {1, 1, 2, 2}, {-1, -2, -4, -5});  // padding is no 0
  check_reals(evaluate_one("AveragePool", {x}, {{"kernel_shape", Wholes{2, 2}}}), {1, 1, 2, 2}, {-3, -4, -6, -7});
  check_reals(evaluate_one("AveragePool", {x}, window), {1, 1, 2, 2}, {-3, -4, -6, -7});
  Attributes padded = window;
  padded["count_include_pad"] = int64_t{1};
  check_reals(evaluate_one("AveragePool", {x}, padded), {1, 1, 2, 2}, {-12.0 / 9, -16.0 / 9, -24.0 / 9, -28.0 / 9});
}

TEST_CASE("linear resize has half-pixel centres and clamped taps", "[reference]") {
  const Array x = reals({1, 1, 1, 2}, {0, 4});
  const Attributes attributes = {{"mode", std::string("linear")}, {"sizes", Wholes{1, 1, 1, 4}}};
  check_reals(evaluate_one("Resize", {x}, attributes), {1, 1, 1, 4}, {0, 1, 3, 4});
  const Array y = reals({1, 1, 2, 2}, {0, 4, 8, 12});
  check_reals(evaluate_one("Resize", {y}, {{"mode", std::string("linear")}, {"sizes", Wholes{1, 1, 4, 2}}}),
              {1, 1, 4, 2}, {0, 4, 2, 6, 6, 10, 8, 12});
  CHECK_THROWS_AS(evaluate_one("Resize", {y}, {{"mode", std::string("nearest")}, {"sizes", Wholes{1, 1, 4, 2}}}),
                  Error);
}

TEST_CASE("RoiAlign reads bilinearly, four samples a cell, nothing outside", "[reference]") {
  Reals ramp;
  for (int y = 0; y < 8; ++y)
    for (int x = 0; x < 8; ++x) ramp.push_back(10 * y + x);
  const Array map = reals({1, 1, 8, 8}, ramp);
  const Attributes attributes = {{"output_height", int64_t{2}},
                                 {"output_width", int64_t{2}},
                                 {"sampling_ratio", int64_t{2}},
                                 {"spatial_scale", 0.5}};
  // Box 4..12 on the canvas: 1.5..5.5 on the map; cells of 2, whose samples average to the cell's centre on a ramp.
  const Array inside = evaluate_one("RoiAlign", {map, reals({1, 4}, {4, 4, 12, 12}), wholes({1}, {0})}, attributes);
  check_reals(inside, {1, 1, 2, 2}, {25 + 2.5, 25 + 4.5, 45 + 2.5, 45 + 4.5});
  // Far outside of the map everything is 0; no box has a minimum size.
  check_reals(evaluate_one("RoiAlign", {map, reals({1, 4}, {40, 40, 60, 60}), wholes({1}, {0})}, attributes),
              {1, 1, 2, 2}, {0, 0, 0, 0});
  check_reals(evaluate_one("RoiAlign", {map, reals({1, 4}, {7, 7, 7, 7}), wholes({1}, {0})}, attributes), {1, 1, 2, 2},
              {33, 33, 33, 33});
  check_reals(evaluate_one("RoiAlign", {map, reals({0, 4}, {}), wholes({0}, {})}, attributes), {0, 1, 2, 2}, {});
  CHECK_THROWS_AS(evaluate_one("RoiAlign", {map, reals({1, 4}, {0, 0, 1, 1}), wholes({1}, {1})}, attributes), Error);
}

TEST_CASE("TopK keeps the lower index first among equals", "[reference]") {
  const auto out = evaluate_all("TopK", {reals({5}, {1, 3, 2, 3, 3}), wholes({1}, {4})}, {{"axis", int64_t{0}}});
  check_reals(out.at(0), {4}, {3, 3, 3, 2});
  check_wholes(out.at(1), {4}, {1, 3, 4, 2});
  const auto columns = evaluate_all("TopK", {reals({2, 2}, {1, 4, 3, 2}), wholes({1}, {1})}, {{"axis", int64_t{0}}});
  check_wholes(columns.at(1), {1, 2}, {1, 0});
  CHECK_THROWS_AS(evaluate_all("TopK", {reals({2}, {1, 2}), wholes({1}, {3})}, {}), Error);
}

TEST_CASE("NMS is greedy, by score, then by index, above the threshold only", "[reference]") {
  // Boxes 0 and 1 overlap by exactly one half, 2 lies apart, 3 equals 0 and has no better score, 4 is empty.
  const Array boxes = reals({1, 5, 4}, {0, 0, 3, 2, 1, 0, 4, 2, 9, 9, 10, 10, 0, 0, 3, 2, 5, 5, 5, 5});
  const Array scores = reals({1, 1, 5}, {2, 1, -3, 2, -9});
  const auto kept = [&](double iou, int64_t most) {
    const Array out = evaluate_one("NonMaxSuppression", {boxes, scores, wholes({1}, {most}), reals({1}, {iou})});
    Wholes rows;
    for (size_t i = 2; i < out.whole.size(); i += 3) rows.push_back(out.whole[i]);
    return rows;
  };
  CHECK(kept(0.5, 100) == Wholes{0, 1, 2, 4});  // 0.5 is not above 0.5
  CHECK(kept(0.49, 100) == Wholes{0, 2, 4});
  CHECK(kept(0.5, 2) == Wholes{0, 1});
  CHECK(evaluate_one("NonMaxSuppression",
                     {reals({1, 0, 4}, {}), reals({1, 1, 0}, {}), wholes({1}, {9}), reals({1}, {0.5})})
            .dims == Dims{0, 3});
}

TEST_CASE("reductions", "[reference]") {
  const Array x = reals({2, 3}, {1, 5, 3, 7, 0, 7});
  check_reals(evaluate_one("ReduceSum", {x, wholes({1}, {1})}), {2, 1}, {9, 14});
  check_reals(evaluate_one("ReduceMin", {x}, {{"axes", Wholes{1}}, {"keepdims", int64_t{0}}}), {2}, {1, 0});
  check_reals(evaluate_one("ReduceMax", {x}, {{"axes", Wholes{0}}}), {1, 3}, {7, 5, 7});
  check_reals(evaluate_one("ReduceSum", {x}, {{"keepdims", int64_t{0}}}), {}, {23});
  check_wholes(evaluate_one("ArgMax", {x}, {{"axis", int64_t{1}}, {"keepdims", int64_t{0}}}), {2},
               {1, 0});  // lowest on ties
  const double e = std::exp(1.0);
  check_reals(evaluate_one("Softmax", {reals({1, 2, 2}, {0, 1000, 1, 1000})}, {{"axis", int64_t{1}}}), {1, 2, 2},
              {1 / (1 + e), 0.5, e / (1 + e), 0.5});
}

TEST_CASE("elementwise operators broadcast", "[reference]") {
  const Array x = reals({2, 1}, {1, 2}), y = reals({3}, {10, 20, 30});
  check_reals(evaluate_one("Add", {x, y}), {2, 3}, {11, 21, 31, 12, 22, 32});
  check_reals(evaluate_one("Sub", {y, x}), {2, 3}, {9, 19, 29, 8, 18, 28});
  check_reals(evaluate_one("Mul", {x, x}), {2, 1}, {1, 4});
  check_reals(evaluate_one("Div", {y, reals({}, {4})}), {3}, {2.5, 5, 7.5});
  check_wholes(evaluate_one("Div", {wholes({2}, {7, -7}), wholes({1}, {2})}), {2}, {3, -3});
  CHECK_THROWS_AS(evaluate_one("Div", {wholes({1}, {7}), wholes({1}, {0})}), Error);
  CHECK_THROWS_AS(evaluate_one("Add", {x, wholes({1}, {1})}), Error);
  CHECK_THROWS_AS(evaluate_one("Add", {reals({2}, {1, 2}), y}), Error);
  check_wholes(evaluate_one("GreaterOrEqual", {y, reals({}, {20})}), {3}, {0, 1, 1});
  check_wholes(evaluate_one("Less", {y, reals({}, {20})}), {3}, {1, 0, 0});
  check_wholes(evaluate_one("Not", {wholes({2}, {0, 1}, DataType::kBool)}), {2}, {1, 0});
  check_reals(evaluate_one("Where", {wholes({3}, {0, 1, 0}, DataType::kBool), y, reals({}, {-1})}), {3}, {-1, 20, -1});
  check_reals(evaluate_one("Clip", {y}, {{"min", 15.0}, {"max", 25.0}}), {3}, {15, 20, 25});
  check_reals(evaluate_one("Relu", {reals({3}, {-1, 0, 2})}), {3}, {0, 0, 2});
  check_reals(evaluate_one("Sigmoid", {reals({3}, {0, 800, -800})}), {3}, {0.5, 1, 0});
  check_reals(evaluate_one("Exp", {reals({1}, {0})}), {1}, {1});
  check_wholes(evaluate_one("Cast", {reals({3}, {1.9, -1.9, 3})}, {{"to", int64_t{7}}}), {3}, {1, -1, 3});
  check_reals(evaluate_one("Cast", {wholes({2}, {5, -6})}, {{"to", int64_t{1}}}), {2}, {5, -6});
  CHECK_THROWS_AS(evaluate_one("Cast", {reals({1}, {1e30})}, {{"to", int64_t{7}}}), Error);
}

TEST_CASE("operators that move elements", "[reference]") {
  const Array x = reals({2, 3}, {1, 2, 3, 4, 5, 6});
  check_wholes(evaluate_one("Shape", {x}), {2}, {2, 3});
  check_wholes(evaluate_one("Shape", {x}, {{"start", int64_t{-1}}}), {1}, {3});
  check_reals(evaluate_one("Reshape", {x, wholes({2}, {-1, 2})}), {3, 2}, {1, 2, 3, 4, 5, 6});
  CHECK_THROWS_AS(evaluate_one("Reshape", {x, wholes({1}, {5})}), Error);
  check_reals(evaluate_one("Transpose", {x}, {{"perm", Wholes{1, 0}}}), {3, 2}, {1, 4, 2, 5, 3, 6});
  check_reals(evaluate_one("Concat", {x, reals({2, 1}, {9, 8})}, {{"axis", int64_t{1}}}), {2, 4},
              {1, 2, 3, 9, 4, 5, 6, 8});
  check_reals(evaluate_one("Slice", {x, wholes({1}, {-2}), wholes({1}, {INT64_MAX}), wholes({1}, {1})}), {2, 2},
              {2, 3, 5, 6});
  check_reals(
      evaluate_one("Slice", {x, wholes({1}, {-1}), wholes({1}, {INT64_MIN}), wholes({1}, {1}), wholes({1}, {-2})}),
      {2, 2}, {3, 1, 6, 4});
  check_reals(evaluate_one("Slice", {x, wholes({1}, {2}), wholes({1}, {1}), wholes({1}, {1})}), {2, 0}, {});
  check_reals(evaluate_one("Squeeze", {reals({1, 2, 1}, {1, 2}), wholes({1}, {2})}), {1, 2}, {1, 2});
  CHECK_THROWS_AS(evaluate_one("Squeeze", {x, wholes({1}, {0})}), Error);
  check_reals(evaluate_one("Unsqueeze", {reals({2}, {1, 2}), wholes({2}, {0, 2})}), {1, 2, 1}, {1, 2});
  check_reals(evaluate_one("Expand", {reals({2, 1}, {1, 2}), wholes({2}, {1, 2})}), {2, 2}, {1, 1, 2, 2});
  check_reals(evaluate_one("ConstantOfShape", {wholes({2}, {1, 2})}), {1, 2}, {0, 0});
  check_wholes(evaluate_one("Range", {wholes({}, {3}), wholes({}, {-4}), wholes({}, {-3})}), {3}, {3, 0, -3});
  check_reals(evaluate_one("Pad", {x, wholes({4}, {0, 1, 1, 0})}), {3, 4}, {0, 1, 2, 3, 0, 4, 5, 6, 0, 0, 0, 0});
  check_reals(evaluate_one("Gather", {x, wholes({2}, {1, -2})}, {{"axis", int64_t{0}}}), {2, 3}, {4, 5, 6, 1, 2, 3});
  check_reals(evaluate_one("Gather", {x, wholes({}, {2})}, {{"axis", int64_t{1}}}), {2}, {3, 6});
  CHECK_THROWS_AS(evaluate_one("Gather", {x, wholes({1}, {2})}, {{"axis", int64_t{0}}}), Error);
  check_reals(evaluate_one("GatherND", {x, wholes({2, 1}, {1, 0})}), {2, 3}, {4, 5, 6, 1, 2, 3});
  check_reals(evaluate_one("GatherND", {x, wholes({1, 2}, {1, 2})}), {1}, {6});
  check_wholes(evaluate_one("NonZero", {wholes({2, 2}, {0, 1, 1, 0}, DataType::kBool)}), {2, 2}, {0, 1, 1, 0});
}

TEST_CASE("normalisation", "[reference]") {
  const Array x = reals({1, 2, 1, 1}, {5, 6});
  const Array out = evaluate_one("BatchNormalization",
                                 {x, reals({2}, {2, 1}), reals({2}, {0.5, 0}), reals({2}, {3, 6}), reals({2}, {3, 1})},
                                 {{"epsilon", 1.0}});
  check_reals(out, {1, 2, 1, 1}, {2.5, 0});
}

TEST_CASE("a graph is evaluated for what is wanted, with errors that name the node", "[reference]") {
  Graph graph;
  graph.source = "test.onnx";
  const ValueId x = graph.add_value("x");
  graph.inputs = {x};
  const ValueId relu = graph.add_node("Relu", "relu", {x});
  const ValueId doubled = graph.add_node("Add", "doubled", {relu, relu});
  const ValueId broken = graph.add_node("Squeeze", "broken", {doubled}, {{"axes", Wholes{0}}});
  const std::map<ValueId, Array> feeds = {{x, reals({2}, {-1, 3})}};
  const auto found = evaluate(graph, feeds, {doubled, relu});
  CHECK(found.size() == 2);
  check_reals(found.at(doubled), {2}, {0, 6});
  check_reals(found.at(relu), {2}, {0, 3});
  try {
    evaluate(graph, feeds, {broken});
    FAIL("evaluated");
  } catch (const Error& error) {
    CHECK(std::string(error.what()).find("test.onnx: node \"broken\" (Squeeze): expected size 1") == 0);
  }
  CHECK_THROWS_AS(evaluate(graph, {}, {relu}), Error);
}
