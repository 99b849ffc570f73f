#include "tests/support/onnx_builder.h"

#include <catch2/catch.hpp>
#include <cstdlib>
#include <cstring>

namespace sln::test {

onnx::ModelProto load_model(const std::string& path) {
  onnx::ModelProto model;
  REQUIRE(model.ParseFromString(read_file(path)));
  return model;
}

void save_model(const onnx::ModelProto& model, const std::string& path) {
  write_file(path, model.SerializeAsString());
}

onnx::ModelProto new_model(int opset) {
  onnx::ModelProto model;
  model.set_ir_version(8);
  model.add_opset_import()->set_version(opset);
  model.mutable_graph()->set_name("test");
  return model;
}

void add_input(onnx::ModelProto& model, const std::string& name, const std::vector<int64_t>& dims) {
  auto* input = model.mutable_graph()->add_input();
  input->set_name(name);
  auto* type = input->mutable_type()->mutable_tensor_type();
  type->set_elem_type(onnx::TensorProto::FLOAT);
  for (const int64_t dim : dims) type->mutable_shape()->add_dim()->set_dim_value(dim);
}

void add_output(onnx::ModelProto& model, const std::string& name) {
  model.mutable_graph()->add_output()->set_name(name);
}

onnx::TensorProto& add_floats(onnx::ModelProto& model, const std::string& name, const std::vector<int64_t>& dims,
                              const std::vector<float>& values) {
  auto* tensor = model.mutable_graph()->add_initializer();
  tensor->set_name(name);
  tensor->set_data_type(onnx::TensorProto::FLOAT);
  for (const int64_t dim : dims) tensor->add_dims(dim);
  tensor->set_raw_data(values.data(), values.size() * sizeof(float));
  return *tensor;
}

onnx::NodeProto& add_node(onnx::ModelProto& model, const std::string& op, const std::vector<std::string>& inputs,
                          const std::vector<std::string>& outputs) {
  auto* node = model.mutable_graph()->add_node();
  node->set_op_type(op);
  node->set_name("node_" + outputs.at(0));
  for (const std::string& input : inputs) node->add_input(input);
  for (const std::string& output : outputs) node->add_output(output);
  return *node;
}

onnx::NodeProto& find_node(onnx::ModelProto& model, const std::string& op, int nth) {
  for (auto& node : *model.mutable_graph()->mutable_node())
    if (node.op_type() == op && nth-- == 0) return node;
  FAIL("no node of op " << op);
  std::abort();  // FAIL does not return
}

onnx::NodeProto* producer(onnx::ModelProto& model, const std::string& value) {
  for (auto& node : *model.mutable_graph()->mutable_node())
    for (const std::string& output : node.output())
      if (output == value) return &node;
  return nullptr;
}

onnx::AttributeProto& attribute(onnx::NodeProto& node, const std::string& name) {
  for (auto& entry : *node.mutable_attribute())
    if (entry.name() == name) return entry;
  auto* fresh = node.add_attribute();
  fresh->set_name(name);
  return *fresh;
}

onnx::TensorProto& constant(onnx::ModelProto& model, const std::string& value) {
  for (auto& tensor : *model.mutable_graph()->mutable_initializer())
    if (tensor.name() == value) return tensor;
  onnx::NodeProto* node = producer(model, value);
  INFO(value);
  REQUIRE(node != nullptr);
  REQUIRE(node->op_type() == "Constant");
  return *attribute(*node, "value").mutable_t();
}

void set_float(onnx::TensorProto& tensor, size_t i, float value) {
  REQUIRE(tensor.data_type() == onnx::TensorProto::FLOAT);
  if (!tensor.has_raw_data()) {
    REQUIRE(i < static_cast<size_t>(tensor.float_data_size()));
    tensor.set_float_data(static_cast<int>(i), value);
    return;
  }
  REQUIRE((i + 1) * sizeof value <= tensor.raw_data().size());
  std::memcpy(&(*tensor.mutable_raw_data())[i * sizeof value], &value, sizeof value);
}

void set_metadata(onnx::ModelProto& model, const std::string& key, const std::string& value) {
  for (auto& entry : *model.mutable_metadata_props())
    if (entry.key() == key) {
      entry.set_value(value);
      return;
    }
  auto* fresh = model.add_metadata_props();
  fresh->set_key(key);
  fresh->set_value(value);
}

std::string metadata(const onnx::ModelProto& model, const std::string& key) {
  for (const auto& entry : model.metadata_props())
    if (entry.key() == key) return entry.value();
  return "";
}

}  // namespace sln::test
