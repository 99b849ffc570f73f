// The ONNX reader: what it reads, and that whatever else it is given is one clear error.
#include "importer/onnx_reader.h"

#include <unistd.h>

#include <catch2/catch.hpp>
#include <filesystem>

#include "tests/support/onnx_builder.h"

using namespace sln;
using namespace sln::importer;
using namespace sln::test;

namespace {

const std::string kFixtures = std::string(SLN_SOURCE_DIR) + "/tests/fixtures/";

// y = relu(x + b)
onnx::ModelProto small_model() {
  onnx::ModelProto model = new_model();
  add_input(model, "x", {1, 2});
  add_floats(model, "b", {2}, {0.5f, -3});
  add_node(model, "Add", {"x", "b"}, {"s"});
  add_node(model, "Relu", {"s"}, {"y"});
  add_output(model, "y");
  return model;
}

std::string error_of(const std::string& path) {
  try {
    read_onnx(path);
    return "";
  } catch (const Error& error) {
    return error.what();
  }
}

std::string error_of(const onnx::ModelProto& model) {
  const TemporaryFolder folder;
  save_model(model, folder.path("m.onnx"));
  const std::string error = error_of(folder.path("m.onnx"));
  if (!error.empty()) CHECK(error.find(folder.path("m.onnx")) == 0);
  return error;
}

bool says(const std::string& error, std::initializer_list<const char*> parts) {
  INFO(error);
  bool all = true;
  for (const char* part : parts) {
    const bool there = error.find(part) != std::string::npos;
    CHECK(there);
    if (!there) UNSCOPED_INFO("lacks: " << part);
    all &= there;
  }
  return all;
}

// Puts the data of initializer "b" of small_model() into a second file.
onnx::ModelProto external_model(const std::string& location, const std::string& offset, const std::string& length) {
  onnx::ModelProto model = small_model();
  auto& tensor = constant(model, "b");
  tensor.clear_raw_data();
  tensor.set_data_location(onnx::TensorProto::EXTERNAL);
  const std::pair<const char*, std::string> entries[] = {
      {"location", location}, {"offset", offset}, {"length", length}};
  for (const auto& entry : entries)
    if (!entry.second.empty()) {
      auto* fresh = tensor.add_external_data();
      fresh->set_key(entry.first);
      fresh->set_value(entry.second);
    }
  return model;
}

}  // namespace

TEST_CASE("a small model is read as it is", "[onnx_reader]") {
  const TemporaryFolder folder;
  onnx::ModelProto model = small_model();
  set_metadata(model, "key", "value");
  save_model(model, folder.path("m.onnx"));
  const OnnxFile file = read_onnx(folder.path("m.onnx"));
  CHECK(file.nodes == 2);
  CHECK(file.unused.empty());
  CHECK(file.bytes == static_cast<int64_t>(std::filesystem::file_size(folder.path("m.onnx"))));
  CHECK(file.sha256.size() == 64);
  const Graph& graph = file.graph;
  REQUIRE(graph.nodes.size() == 2);
  CHECK(graph.nodes[0]->op == "Add");
  CHECK(graph.metadata.at("key") == "value");
  REQUIRE(graph.inputs.size() == 1);
  CHECK(graph.value(graph.inputs[0]).shape == Dims{1, 2});
  const ArrayPtr bias = graph.constant(graph.nodes[0]->inputs[1]);
  REQUIRE(bias);
  CHECK(bias->real == std::vector<double>{0.5, -3});
  CHECK(graph.outputs[0].value == graph.nodes[1]->outputs[0]);
}

TEST_CASE("tensors of every type and form are read", "[onnx_reader]") {
  onnx::ModelProto model = small_model();
  auto& node = add_node(model, "Constant", {}, {"c"});
  auto* tensor = attribute(node, "value").mutable_t();
  attribute(node, "value").set_type(onnx::AttributeProto::TENSOR);
  tensor->add_dims(2);
  tensor->set_data_type(onnx::TensorProto::INT64);
  tensor->add_int64_data(-7);
  tensor->add_int64_data(int64_t{1} << 40);
  auto& number = add_node(model, "Constant", {}, {"d"});
  attribute(number, "value_float").set_f(0.25f);
  attribute(number, "value_float").set_type(onnx::AttributeProto::FLOAT);
  auto* truth = model.mutable_graph()->add_initializer();
  truth->set_name("t");
  truth->set_data_type(onnx::TensorProto::BOOL);
  truth->add_dims(2);
  truth->set_raw_data(std::string("\1\0", 2));
  const TemporaryFolder folder;
  save_model(model, folder.path("m.onnx"));
  const OnnxFile file = read_onnx(folder.path("m.onnx"));
  CHECK(file.unused == std::vector<std::string>{"t"});
  CHECK(file.nodes == 4);
  CHECK(file.graph.nodes.size() == 2);  // Constant nodes are constants
  for (const Value& value : file.graph.values) {
    if (value.name == "c") CHECK(value.constant->whole == std::vector<int64_t>{-7, int64_t{1} << 40});
    if (value.name == "d") CHECK((value.constant->dims.empty() && value.constant->real[0] == 0.25));
    if (value.name == "t")
      CHECK((value.type == DataType::kBool && value.constant->whole == std::vector<int64_t>{1, 0}));
  }
}

TEST_CASE("nodes out of order are sorted, cycles are refused", "[onnx_reader]") {
  onnx::ModelProto model = small_model();
  model.mutable_graph()->mutable_node()->SwapElements(0, 1);
  CHECK(error_of(model).empty());
  find_node(model, "Add").set_input(1, "y");
  model.mutable_graph()->clear_initializer();
  says(error_of(model), {"node \"node_", "without cycles"});
}

TEST_CASE("every truncation of a model is one error", "[onnx_reader]") {
  const TemporaryFolder folder;
  const std::string bytes = small_model().SerializeAsString();
  for (size_t length = 0; length < bytes.size(); ++length) {
    write_file(folder.path("m.onnx"), bytes.substr(0, length));
    const std::string error = error_of(folder.path("m.onnx"));
    INFO(length << " of " << bytes.size() << " bytes: " << error);
    CHECK(error.find(folder.path("m.onnx") + ": ") == 0);
    CHECK(error.find("expected") != std::string::npos);
  }
}

TEST_CASE("every flipped byte of a model is read or refused, never worse", "[onnx_reader]") {
  const TemporaryFolder folder;
  const std::string bytes = small_model().SerializeAsString();
  for (size_t i = 0; i < bytes.size(); ++i)
    for (const int bit : {0, 3, 7}) {
      std::string damaged = bytes;
      damaged[i] = static_cast<char>(damaged[i] ^ (1 << bit));
      write_file(folder.path("m.onnx"), damaged);
      const std::string error = error_of(folder.path("m.onnx"));
      INFO("byte " << i << ", bit " << bit << ": " << error);
      if (!error.empty()) CHECK(error.find("expected") != std::string::npos);
    }
}

TEST_CASE("what is no ONNX file is said to be none", "[onnx_reader]") {
  const TemporaryFolder folder;
  says(error_of(folder.path("missing.onnx")), {"missing.onnx", "No such file"});
  says(error_of(folder.path(".")), {"not a regular file"});
  write_file(folder.path("text.onnx"), "This is a text and no graph.\n");
  says(error_of(folder.path("text.onnx")), {"text.onnx: expected an ONNX model"});
  write_file(folder.path("empty.onnx"), "");
  says(error_of(folder.path("empty.onnx")), {"found no graph"});
}

TEST_CASE("a file of more than 2 GB is refused before it is read", "[onnx_reader]") {
  const TemporaryFolder folder;
  write_file(folder.path("huge.onnx"), "");
  REQUIRE(::truncate(folder.path("huge.onnx").c_str(), off_t{2147483648}) == 0);  // sparse: takes no space
  says(error_of(folder.path("huge.onnx")), {"at most 2147483647 bytes", "found 2147483648"});
}

TEST_CASE("operators, domains, versions and types that are not supported are named", "[onnx_reader]") {
  onnx::ModelProto model = small_model();
  find_node(model, "Relu").set_op_type("Gelu");
  says(error_of(model), {"node \"node_y\" (Gelu)", "found Gelu"});
  find_node(model, "Gelu").set_op_type("FusedConv");
  says(error_of(model), {"(FusedConv)", "expected an operator"});
  model = small_model();
  find_node(model, "Relu").set_domain("com.example");
  says(error_of(model), {"node \"node_y\" (Relu)", "domain \"com.example\""});
  model = small_model();
  model.mutable_opset_import(0)->set_version(15);
  says(error_of(model), {"opset 16 to 21, found 15"});
  model.mutable_opset_import(0)->set_version(22);
  says(error_of(model), {"found 22"});
  model = small_model();
  constant(model, "b").set_data_type(onnx::TensorProto::FLOAT16);
  says(error_of(model), {"initializer \"b\"", "found FLOAT16"});
  model = small_model();
  attribute(find_node(model, "Relu"), "speed").set_type(onnx::AttributeProto::INT);
  says(error_of(model), {"node \"node_y\" (Relu)", "only known attributes, found speed"});
  model = small_model();
  attribute(find_node(model, "Relu"), "speed").set_type(onnx::AttributeProto::GRAPH);
  says(error_of(model), {"node \"node_y\" (Relu)"});
  model = small_model();
  model.mutable_graph()->add_sparse_initializer();
  says(error_of(model), {"sparse"});
}

TEST_CASE("graphs that do not hang together are refused", "[onnx_reader]") {
  onnx::ModelProto model = small_model();
  find_node(model, "Add").set_input(1, "nobody");
  says(error_of(model), {"node \"node_s\" (Add)", "input \"nobody\"", "found nothing"});
  model = small_model();
  model.mutable_graph()->mutable_output(0)->set_name("z");
  says(error_of(model), {"output \"z\"", "found none"});
  model = small_model();
  find_node(model, "Relu").set_output(0, "s");
  says(error_of(model), {"value \"s\"", "found a second"});
  model = small_model();
  find_node(model, "Relu").add_input("x");
  says(error_of(model), {"expected 1 to 1 inputs, found 2"});
  model = small_model();
  find_node(model, "Relu").set_input(0, "");
  says(error_of(model), {"input 0: expected a value"});
}

TEST_CASE("tensors whose data does not fit their shape are refused", "[onnx_reader]") {
  onnx::ModelProto model = small_model();
  constant(model, "b").set_dims(0, 3);
  says(error_of(model), {"initializer \"b\"", "expected 12 bytes for shape [3], found 8"});
  constant(model, "b").set_dims(0, -1);
  says(error_of(model), {"initializer \"b\"", "[-1]"});
  constant(model, "b").add_dims(int64_t{1} << 62);
  constant(model, "b").set_dims(0, int64_t{1} << 62);
  says(error_of(model), {"initializer \"b\"", "elements"});
  model = small_model();
  constant(model, "b").clear_raw_data();
  constant(model, "b").add_float_data(1);
  says(error_of(model), {"initializer \"b\"", "expected 2 elements, found 1"});
  constant(model, "b").set_dims(0, 2000000000);
  says(error_of(model), {"initializer \"b\"", "found fewer"});  // before memory is asked for
}

TEST_CASE("external data is read from the ONNX file's own folder only", "[onnx_reader]") {
  const TemporaryFolder folder;
  const float data[] = {9, 0.5f, -3, 9};
  write_file(folder.path("m.data"), std::string(reinterpret_cast<const char*>(data), sizeof data));
  const auto attempt = [&](const std::string& location, const std::string& offset, const std::string& length) {
    save_model(external_model(location, offset, length), folder.path("m.onnx"));
    return error_of(folder.path("m.onnx"));
  };
  REQUIRE(attempt("m.data", "4", "8").empty());
  const OnnxFile file = read_onnx(folder.path("m.onnx"));
  CHECK(file.graph.constant(file.graph.nodes[0]->inputs[1])->real == std::vector<double>{0.5, -3});
  CHECK(file.bytes == static_cast<int64_t>(std::filesystem::file_size(folder.path("m.onnx")) + sizeof data));
  REQUIRE(attempt("m.data", "4", "").empty());  // the length may be left out

  says(attempt("m.data", "12", "8"), {"initializer \"b\"", "expected bytes 12 to 20 in m.data, found 16 bytes"});
  says(attempt("m.data", "400", "8"), {"found 16 bytes"});
  says(attempt("m.data", "4", "7"), {"expected 8 bytes, found length 7"});
  says(attempt("m.data", "-4", "8"), {"offset: expected a whole number, found \"-4\""});
  says(attempt("m.data", "99999999999999999999", "8"), {"offset: expected a whole number"});
  says(attempt("other.data", "0", "8"), {"other.data", "No such file"});
  says(attempt("", "0", "8"), {"own folder"});
  says(attempt(folder.path("m.data"), "4", "8"), {"own folder, found \"/"});
  says(attempt("../m.data", "4", "8"), {"own folder, found \"../m.data\""});
  says(attempt("..", "4", "8"), {"own folder"});
  std::filesystem::create_symlink("m.data", folder.path("link.data"));
  says(attempt("link.data", "4", "8"), {"own folder, found the link"});
}

TEST_CASE("the fixtures are read, and their data files belong to the hash", "[onnx_reader]") {
  const OnnxFile script = read_onnx(kFixtures + "tiny_torchscript.onnx");
  const OnnxFile dynamo = read_onnx(kFixtures + "tiny_dynamo.onnx");
  CHECK(script.graph.opset == 17);
  CHECK(dynamo.graph.opset == 18);
  CHECK(dynamo.nodes < script.nodes);
  const TemporaryFolder folder;
  write_file(folder.path("m.onnx"), read_file(kFixtures + "tiny_dynamo.onnx"));
  says(error_of(folder.path("m.onnx")), {"tiny_dynamo.onnx.data", "No such file"});
  std::string data = read_file(kFixtures + "tiny_dynamo.onnx.data");
  write_file(folder.path("tiny_dynamo.onnx.data"), data.substr(0, data.size() - 1));
  says(error_of(folder.path("m.onnx")), {"external data: expected bytes"});
  data[1000] = static_cast<char>(data[1000] ^ 1);
  write_file(folder.path("tiny_dynamo.onnx.data"), data);
  CHECK(read_onnx(folder.path("m.onnx")).sha256 != dynamo.sha256);
}
