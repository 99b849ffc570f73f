// Matching by structure: names do not matter, every node must have its place, and what cannot be read is said to be so.
#include "importer/match.h"

#include <catch2/catch.hpp>

#include "importer/importer.h"
#include "importer/model.h"
#include "importer/onnx_reader.h"
#include "importer/passes/passes.h"
#include "tests/support/onnx_builder.h"

using namespace sln;
using namespace sln::importer;
using namespace sln::test;

namespace {

const std::string kFixtures = std::string(SLN_SOURCE_DIR) + "/tests/fixtures/";
const char* const kExporters[] = {"torchscript", "dynamo"};

struct Read {
  explicit Read(const std::string& exporter) : Read(file("tiny_" + exporter + ".onnx")) {}
  static Read file(const std::string& name) {
    Read read;
    OnnxFile file = read_onnx(kFixtures + name);
    read.config = read_model_info(file).config;
    read.graph = std::move(file.graph);
    return read;
  }
  Match match() {
    rewrite(graph);
    return match_network(graph, config);
  }
  std::string error() {
    try {
      match();
      return "";
    } catch (const Error& caught) {
      return caught.what();
    }
  }
  Node& node(const std::string& op, int nth = 0) {
    for (const auto& candidate : graph.nodes)
      if (candidate->op == op && nth-- == 0) return *candidate;
    FAIL("no " << op);
    std::abort();
  }
  // Puts a node behind a value, in front of all its readers.
  Node& insert_behind(ValueId value, const std::string& op, std::map<std::string, Attribute> attributes = {}) {
    const ValueId out = graph.add_node(op, "the extra node", {kNoValue}, std::move(attributes));
    graph.replace_uses(value, out);
    Node& fresh = *graph.producer(out);
    fresh.inputs[0] = value;
    graph.sort();
    return fresh;
  }

  Graph graph;
  Config config;

 private:
  Read() = default;
};

bool says(const std::string& error, std::initializer_list<const char*> parts) {
  INFO(error);
  bool all = true;
  for (const char* part : parts) all &= error.find(part) != std::string::npos;
  return all;
}

std::vector<std::string> unread_items(const Match& match) {
  std::vector<std::string> items;
  for (const GlueProof& proof : match.glue)
    if (!proof.by_reading) items.push_back(proof.item);
  return items;
}

}  // namespace

TEST_CASE("all layers are found, in the table's order, whatever the nodes are called", "[match]") {
  for (const char* exporter : {"torchscript", "dynamo", "keep_bn"}) {
    Read read(exporter);
    int number = 0;
    for (const auto& node : read.graph.nodes) node->name = "n" + std::to_string(number++);
    for (Value& value : read.graph.values)
      if (value.name != "image") value.name = "v" + std::to_string(number++);
    const Match match = read.match();
    const std::vector<Layer> table = layer_table(read.config);
    REQUIRE(match.layers.size() == table.size());
    for (size_t i = 0; i < table.size(); ++i) {
      CHECK(match.layers[i].layer.name == table[i].name);
      REQUIRE(match.layers[i].weight);
      CHECK(static_cast<bool>(match.layers[i].bias) == table[i].has_bias);
    }
    CHECK(unread_items(match).empty());
    for (const char* name : {"features", "global_layers", "rpn_objectness", "rpn_deltas", "boxes", "scores",
                             "instance_layers", "layers", "confidence", "level", "top_k", "large", "kept"})
      CHECK(match.values.count(name) == 1);
  }
}

TEST_CASE("the order of a graph's nodes and of a sum's operands does not matter", "[match]") {
  for (const char* exporter : kExporters) {
    Read read(exporter);
    for (const auto& node : read.graph.nodes)
      if (node->op == "Add" || node->op == "Mul") std::swap(node->inputs[0], node->inputs[1]);
    std::reverse(read.graph.nodes.begin(), read.graph.nodes.end());
    read.graph.sort();
    CHECK(unread_items(read.match()).empty());
  }
}

TEST_CASE("an extra node anywhere is named or left to a run", "[match]") {
  for (const char* exporter : kExporters) {
    const size_t count = Read(exporter).graph.nodes.size();
    int named = 0, unread = 0;
    for (size_t i = 0; i < count; ++i) {
      Read read(exporter);
      const Node& node = *read.graph.nodes[i];
      const ValueId value = node.outputs.back();
      if (read.graph.use_count(value) == 0) continue;
      read.insert_behind(value, "Neg");
      std::string error;
      bool proven = false;
      try {
        proven = unread_items(read.match()).empty();
      } catch (const Error& caught) {
        error = caught.what();
      }
      INFO(exporter << ", behind node " << i << ": " << error);
      CHECK_FALSE(proven);
      error.empty() ? ++unread : ++named;
      if (!error.empty())
        CHECK((error.find("expected") != std::string::npos && error.find("found") != std::string::npos));
    }
    CHECK(named > 90);
  }
}

TEST_CASE("every attribute of a convolution and of the glue is read", "[match]") {
  using Wholes = std::vector<int64_t>;
  const struct {
    const char* op;
    int nth;
    const char* attribute;
    Attribute value;
    const char* named;
  } changes[] = {
      {"Conv", 0, "pads", Wholes{2, 2, 2, 2}, "layer encoder.stem, pads"},
      {"Conv", 3, "dilations", Wholes{2, 2}, "dilations"},
      {"Conv", 0, "strides", Wholes{1, 2}, "layer encoder.stem, strides"},
      {"MaxPool", 0, "pads", Wholes{0, 0, 1, 1}, "pads: expected [1,1,1,1]"},
      {"MaxPool", 0, "kernel_shape", Wholes{2, 2}, "kernel_shape: expected [3,3]"},
      {"MaxPool", 0, "ceil_mode", int64_t{1}, "ceil_mode"},
      {"AveragePool", 0, "strides", Wholes{2, 2}, "strides: expected [4,4], found [2,2]"},
      {"Resize", 0, "coordinate_transformation_mode", std::string("align_corners"), "found align_corners"},
      {"Resize", 2, "antialias", int64_t{1}, "antialias: expected 0, found 1"},
      {"TopK", 0, "largest", int64_t{0}, "largest: expected 1, found 0"},
      {"TopK", 0, "sorted", int64_t{0}, "sorted: expected 1, found 0"},
      {"NonMaxSuppression", 0, "center_point_box", int64_t{1}, "center_point_box"},
      {"RoiAlign", 0, "mode", std::string("max"), "mode: expected avg, found max"},
      {"RoiAlign", 0, "spatial_scale", 0.125, "spatial_scale: expected 0.25, found 0.125"},
      {"RoiAlign", 0, "coordinate_transformation_mode", std::string("output_half_pixel"), "expected half_pixel"},
      {"RoiAlign", 0, "output_width", int64_t{7}, "output_width: expected 14, found 7"},
      {"Softmax", 0, "axis", int64_t{2}, "axis: expected 1, found 2"},
      {"Softmax", 2, "axis", int64_t{-1}, "axis: expected 1, found 3"},
      {"ArgMax", 0, "select_last_index", int64_t{1}, "select_last_index"},
      {"ReduceSum", 0, "keepdims", int64_t{0}, "keepdims"},
  };
  for (const char* exporter : kExporters)
    for (const auto& change : changes) {
      Read read(exporter);
      read.node(change.op, change.nth).attributes[change.attribute] = change.value;
      const std::string error = read.error();
      INFO(exporter << ", " << change.op << " " << change.attribute << ": " << error);
      CHECK(error.find(read.graph.source) == 0);
      CHECK(error.find(change.named) != std::string::npos);
    }
}

TEST_CASE("every constant of the glue is read", "[match]") {
  for (const char* exporter : kExporters) {
    const Read whole(exporter);
    int read_constants = 0;
    for (size_t id = 0; id < whole.graph.values.size(); ++id) {
      const ArrayPtr constant = whole.graph.values[id].constant;
      if (!constant || !is_real(constant->type) || whole.graph.use_count(static_cast<ValueId>(id)) == 0) continue;
      const bool weight = constant->dims.size() == 4 && constant->dims[0] != 1;
      const bool bias = constant->dims.size() == 1 && constant->dims[0] > 1;
      if (weight || bias) continue;  // numbers that only a run can judge
      Read read(exporter);
      Array changed = *constant;
      changed.real.back() += 0.125;
      read.graph.values[id].constant = std::make_shared<const Array>(std::move(changed));
      INFO(exporter << ", constant " << whole.graph.values[id].name);
      CHECK(says(read.error(), {"expected", "found"}));
      ++read_constants;
    }
    CHECK(read_constants >= 8);
  }
}

TEST_CASE("the second encoder and the networks of masks are matched layer by layer", "[match]") {
  for (const char* name : {"lite", "arcnn", "arcnn-visible"})
    for (const char* exporter : kExporters) {
      INFO(name << ", " << exporter);
      Read read = Read::file(std::string("tiny-") + name + "_" + exporter + ".onnx");
      const Match match = read.match();
      const std::vector<Layer> table = layer_table(read.config);
      REQUIRE(match.layers.size() == table.size());
      for (size_t i = 0; i < table.size(); ++i) CHECK(match.layers[i].layer.name == table[i].name);
      CHECK(unread_items(match).empty());
      CHECK(match.values.count("global_layers") == (read.config.has_global_layers() ? 1 : 0));
      CHECK(match.values.count("instance_layers") == (read.config.has_global_layers() ? 1 : 0));
    }
}

TEST_CASE("an extra node anywhere in the networks of masks is named or left to a run", "[match]") {
  // The long encoder, alike in all of them, in part only: a match takes a while.
  for (const auto& [name, step] : {std::pair<const char*, size_t>{"lite", 9}, {"arcnn", 7}, {"arcnn-visible", 2}}) {
    const std::string file = std::string("tiny-") + name + "_dynamo.onnx";
    const Read whole = Read::file(file);
    for (size_t i = 0; i < whole.graph.nodes.size(); i += step) {
      Read read(whole);
      const ValueId value = read.graph.nodes[i]->outputs.back();
      if (read.graph.use_count(value) == 0 || read.graph.value(value).type == DataType::kBool) continue;
      read.insert_behind(value, "Neg");
      bool proven = false;
      try {
        proven = unread_items(read.match()).empty();
      } catch (const Error&) {  // its text is judged elsewhere
      }
      INFO(file << ", behind node " << i);
      CHECK_FALSE(proven);
    }
  }
}

TEST_CASE("pads, bounds and groups of the second encoder are read", "[match]") {
  using Wholes = std::vector<int64_t>;
  for (const char* exporter : kExporters) {
    const std::string file = std::string("tiny-lite_") + exporter + ".onnx";
    const Read whole = Read::file(file);
    const auto depthwise = [](Read& read) -> Node& {
      for (const auto& node : read.graph.nodes)
        if (node->op == "Conv" && node->integer("group", 1) != 1 && node->integers("strides", {1, 1})[0] == 2)
          return *node;
      FAIL("no strided depthwise convolution");
      std::abort();
    };
    {
      Read read(whole);
      depthwise(read).attributes["pads"] = Wholes{1, 1, 1, 1};
      CHECK(says(read.error(), {"(Conv)", "layer encoder.stage2.block0.depthwise, pads: expected [0,0,1,1], found "}));
    }
    {
      Read read(whole);
      depthwise(read).attributes["group"] = int64_t{1};
      CHECK(says(read.error(), {"(Conv)", "layer encoder.stage2.block0.depthwise, group: expected 24, found 1"}));
    }
    {
      Read read(whole);
      depthwise(read).attributes["strides"] = Wholes{1, 1};
      CHECK(says(read.error(), {"(Conv)", "strides: expected [2,2], found [1,1]"}));
    }
    {
      Read read(whole);
      Node& clip = read.node("Clip", 0);
      Array five = make_array(DataType::kFloat32, {});
      five.real[0] = 5;
      clip.inputs[2] = read.graph.add_constant("five", std::move(five));
      CHECK(says(read.error(), {"(Clip)",
                                "layer encoder.stem, activation: expected ReLU6 (Clip to 0..6), found a Clip "
                                "to 0..5"}));
    }
  }
}

TEST_CASE("what the networks of masks compute from their logits is read", "[match]") {
  for (const char* exporter : kExporters) {
    const Read visible = Read::file(std::string("tiny-arcnn-visible_") + exporter + ".onnx");
    {
      Read read(visible);
      read.node("Less", 0).op = "Greater";
      CHECK(says(read.error(), {"level: expected Less, found"}));
    }
    {
      Read read(visible);  // the visible part from the amodal logit
      Node& sigmoid = *read.graph.producer(read.graph.producer(read.graph.outputs[2].value)->inputs[1]);
      REQUIRE(sigmoid.op == "Mul");
      std::swap(sigmoid.inputs[0], sigmoid.inputs[1]);
      CHECK(read.error().empty());  // a product's factors may change places
    }
    {
      Read read(visible);
      Node& joined = *read.graph.producer(read.graph.outputs[2].value);
      REQUIRE(joined.op == "Concat");
      std::swap(joined.inputs[1], joined.inputs[2]);
      CHECK(says(read.error(), {"expected", "found"}));
    }
  }
}

TEST_CASE("weights that are no numbers are refused", "[match]") {
  Read read("torchscript");
  const ValueId weight = read.node("Conv", 5).inputs[1];
  Array broken = *read.graph.constant(weight);
  broken.real[3] = std::numeric_limits<double>::infinity();
  read.graph.value(weight).constant = std::make_shared<const Array>(std::move(broken));
  CHECK(says(read.error(), {"(Conv)", "layer encoder.stage", "weight: expected finite values"}));
}

TEST_CASE("box glue of another form is left to a run, its constants are read all the same", "[match]") {
  for (const char* exporter : kExporters) {
    const TemporaryFolder folder;
    onnx::ModelProto model = load_model(kFixtures + "tiny_" + exporter + ".onnx");
    if (std::string(exporter) == "dynamo")
      write_file(folder.path("tiny_dynamo.onnx.data"), read_file(kFixtures + "tiny_dynamo.onnx.data"));
    // Half the sides by division: the same numbers in another form.
    for (auto& node : *model.mutable_graph()->mutable_node())
      if (node.op_type() == "Mul") {
        const bool second =
            producer(model, node.input(1)) == nullptr || producer(model, node.input(1))->op_type() == "Constant";
        if (!second || node.input(1) == "network.level_gains" || constant(model, node.input(1)).dims_size() != 0)
          continue;
        add_floats(model, "two", {}, {2.0f});
        node.set_op_type("Div");
        node.set_input(1, "two");
        break;
      }
    auto* nodes = model.mutable_graph()->mutable_node();
    const auto unread = [&model](const std::string& name) {
      for (const auto& node : model.graph().node())
        for (const auto& input : node.input())
          if (input == name) return false;
      return true;
    };
    for (int i = 0; i < nodes->size(); ++i)  // the constant 0.5 has no reader any more
      if (nodes->Get(i).op_type() == "Constant" && unread(nodes->Get(i).output(0))) nodes->DeleteSubrange(i--, 1);
    auto* initializers = model.mutable_graph()->mutable_initializer();
    for (int i = 0; i < initializers->size(); ++i)
      if (unread(initializers->Get(i).name())) initializers->DeleteSubrange(i--, 1);
    save_model(model, folder.path("m.onnx"));
    const ImportReport report = import_onnx(folder.path("m.onnx"), folder.path("blob"));
    std::vector<std::string> items;
    for (const ImportGlue& glue : report.glue)
      if (!glue.by_reading) items.push_back(glue.item);
    CHECK(items == std::vector<std::string>{"RPN layout", "box decoding", "smallest box"});
    CHECK(format_report(report).find("needs --verify") != std::string::npos);
    const ReferenceRun run = reference_run(folder.path("m.onnx"), 2);
    const VerifyReport verified = compare_stages(run, {});
    INFO(format_report(verified));
    CHECK(verified.passed);  // proven by running
    set_float(constant(model, "two"), 0, 2.5f);
    save_model(model, folder.path("m.onnx"));
    CHECK_FALSE(compare_stages(reference_run(folder.path("m.onnx"), 2), {}).passed);
  }
}
