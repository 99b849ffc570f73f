// Makes and unmakes ONNX files for tests of the importer.
#pragma once

// Debian builds the schema in its ML variant.
#ifndef ONNX_ML
#define ONNX_ML 1
#endif
#ifndef ONNX_NAMESPACE
#define ONNX_NAMESPACE onnx
#endif
#include <onnx/onnx_pb.h>

#include <string>
#include <vector>

#include "tests/support/files.h"

namespace sln::test {

onnx::ModelProto load_model(const std::string& path);
void save_model(const onnx::ModelProto& model, const std::string& path);

// An empty model of opset 17 whose graph is complete but for nodes.
onnx::ModelProto new_model(int opset = 17);
void add_input(onnx::ModelProto& model, const std::string& name, const std::vector<int64_t>& dims);
void add_output(onnx::ModelProto& model, const std::string& name);
onnx::TensorProto& add_floats(onnx::ModelProto& model, const std::string& name, const std::vector<int64_t>& dims,
                              const std::vector<float>& values);
onnx::NodeProto& add_node(onnx::ModelProto& model, const std::string& op, const std::vector<std::string>& inputs,
                          const std::vector<std::string>& outputs);

// The nth node of an operator; fails the test where there is none.
onnx::NodeProto& find_node(onnx::ModelProto& model, const std::string& op, int nth = 0);
// The node that makes a value; null where there is none.
onnx::NodeProto* producer(onnx::ModelProto& model, const std::string& value);
onnx::AttributeProto& attribute(onnx::NodeProto& node, const std::string& name);
// The tensor behind a value, initializer or Constant node, with its data inside.
onnx::TensorProto& constant(onnx::ModelProto& model, const std::string& value);
// Sets element i of a float tensor whose data is inside of the file, raw or typed.
void set_float(onnx::TensorProto& tensor, size_t i, float value);
void set_metadata(onnx::ModelProto& model, const std::string& key, const std::string& value);
std::string metadata(const onnx::ModelProto& model, const std::string& key);

}  // namespace sln::test
