#include "importer/onnx_reader.h"

// Debian builds the schema in its ML variant.
#define ONNX_ML 1
#define ONNX_NAMESPACE onnx
#include <fcntl.h>
#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/stubs/logging.h>
#include <onnx/onnx_pb.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <limits>
#include <set>

#include "engine/config.h"
#include "engine/sha256.h"
#include "importer/operators.h"

namespace sln::importer {
namespace {

constexpr int kMinOpset = 16;
constexpr int kMaxOpset = 21;
constexpr int kMaxNodes = 10000;  // ours have about 300; passes are quadratic in the number of nodes

// Reads a whole regular file.
std::string read_file(const std::string& path, const std::string& what) {
  const int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) fail(ErrorKind::kIo, path, ": expected ", what, ", found: ", std::strerror(errno));
  struct stat status {};
  const bool regular = ::fstat(descriptor, &status) == 0 && S_ISREG(status.st_mode);
  std::string bytes;
  bool complete = regular;
  if (regular && status.st_size <= std::numeric_limits<int>::max()) {
    bytes.resize(static_cast<size_t>(status.st_size));
    for (size_t at = 0; at < bytes.size() && complete;) {
      const ssize_t got = ::read(descriptor, &bytes[at], bytes.size() - at);
      if (got < 0 && errno == EINTR) continue;
      complete = got > 0;
      if (complete) at += static_cast<size_t>(got);
    }
  }
  ::close(descriptor);
  if (!regular) fail(ErrorKind::kIo, path, ": expected ", what, ", found something that is not a regular file");
  if (status.st_size > std::numeric_limits<int>::max())
    fail(ErrorKind::kUnsupported, path, ": expected at most 2147483647 bytes, found ", status.st_size);
  if (!complete) fail(ErrorKind::kIo, path, ": expected ", status.st_size, " bytes, found fewer while reading");
  return bytes;
}

DataType data_type(int onnx_type) {
  switch (onnx_type) {
    case onnx::TensorProto::FLOAT:
      return DataType::kFloat32;
    case onnx::TensorProto::DOUBLE:
      return DataType::kFloat64;
    case onnx::TensorProto::INT32:
      return DataType::kInt32;
    case onnx::TensorProto::INT64:
      return DataType::kInt64;
    case onnx::TensorProto::BOOL:
      return DataType::kBool;
    default:
      return DataType::kUnknown;
  }
}

size_t element_bytes(DataType type) {
  switch (type) {
    case DataType::kFloat32:
    case DataType::kInt32:
      return 4;
    case DataType::kFloat64:
    case DataType::kInt64:
      return 8;
    case DataType::kBool:
      return 1;
    case DataType::kUnknown:
      break;
  }
  return 0;
}

std::string type_name(int onnx_type) {
  return onnx::TensorProto::DataType_IsValid(onnx_type)
             ? onnx::TensorProto::DataType_Name(static_cast<onnx::TensorProto::DataType>(onnx_type))
             : concat("type ", onnx_type);
}

// Names come from the file and go into messages, which are one line of text.
std::string printable(std::string text) {
  for (char& c : text)
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = '?';
  return text;
}

template <typename T, typename Out>
void widen(const char* bytes, std::vector<Out>& out) {
  for (size_t i = 0; i < out.size(); ++i) {
    T element;
    std::memcpy(&element, bytes + i * sizeof(T), sizeof(T));  // little-endian, as ONNX demands and this machine is
    out[i] = static_cast<Out>(element);
  }
}

void decode_raw(Array& array, const char* bytes) {
  switch (array.type) {
    case DataType::kFloat32:
      return widen<float>(bytes, array.real);
    case DataType::kFloat64:
      return widen<double>(bytes, array.real);
    case DataType::kInt32:
      return widen<int32_t>(bytes, array.whole);
    case DataType::kInt64:
      return widen<int64_t>(bytes, array.whole);
    case DataType::kBool:
      return widen<unsigned char>(bytes, array.whole);
    case DataType::kUnknown:
      return;
  }
}

// One reading of one file.
class Reader {
 public:
  explicit Reader(const std::string& path) : path_(path) {}
  OnnxFile read();

 private:
  void parse();
  void check_header();
  void read_metadata();
  void read_initializers();
  void read_inputs();
  void read_node(const onnx::NodeProto& proto);
  void read_constant(const onnx::NodeProto& proto);
  void check_node(const onnx::NodeProto& proto) const;
  void read_outputs();
  void find_unused();
  Attribute read_attribute(const onnx::NodeProto& node, const onnx::AttributeProto& proto);
  Array read_tensor(const onnx::TensorProto& proto, const std::string& where);
  void read_typed(const onnx::TensorProto& proto, Array& array, const std::string& where);
  void read_external(const onnx::TensorProto& proto, Array& array, const std::string& where);
  const std::string& external_file(const std::string& location, const std::string& where);
  ValueId define(const std::string& name, const std::string& where);
  ValueId lookup(const std::string& name);
  void check_defined() const;

  std::string path_;
  onnx::ModelProto model_;
  OnnxFile file_;
  std::string file_bytes_;
  std::map<std::string, ValueId> ids_;
  std::set<ValueId> defined_;
  std::vector<std::pair<std::string, std::string>> external_;  // location, bytes; in order of first use
};

std::string node_label(const std::string& path, const onnx::NodeProto& proto) {
  return concat(path, ": node \"", printable(proto.name()), "\" (", printable(proto.op_type()), ")");
}

void Reader::parse() {
  const google::protobuf::LogSilencer silence;  // the library never prints
  file_bytes_ = read_file(path_, "an ONNX file");
  google::protobuf::io::CodedInputStream stream(reinterpret_cast<const uint8_t*>(file_bytes_.data()),
                                                static_cast<int>(file_bytes_.size()));
  if (!model_.ParseFromCodedStream(&stream) || !stream.ConsumedEntireMessage())
    fail(ErrorKind::kFormat, path_, ": expected an ONNX model, found ", file_bytes_.size(),
         " bytes that are no complete protobuf message");
}

void Reader::check_header() {
  if (!model_.has_graph() || model_.graph().node_size() == 0)
    fail(ErrorKind::kFormat, path_, ": expected an ONNX model, found no graph in it");
  if (model_.graph().node_size() > kMaxNodes)
    fail(ErrorKind::kUnsupported, path_, ": expected at most ", kMaxNodes, " nodes, found ",
         model_.graph().node_size());
  int64_t opset = 0;
  for (const auto& entry : model_.opset_import())
    if (entry.domain().empty() || entry.domain() == "ai.onnx") opset = entry.version();
  if (opset < kMinOpset || opset > kMaxOpset)
    fail(ErrorKind::kUnsupported, path_, ": expected ONNX opset ", kMinOpset, " to ", kMaxOpset, ", found ", opset);
  if (model_.graph().sparse_initializer_size() > 0)
    fail(ErrorKind::kUnsupported, path_, ": expected dense initializers, found a sparse one");
  file_.graph.source = path_;
  file_.graph.opset = static_cast<int>(opset);
  file_.nodes = model_.graph().node_size();
}

void Reader::read_metadata() {
  for (const auto& entry : model_.metadata_props())
    if (!file_.graph.metadata.emplace(entry.key(), entry.value()).second)
      fail(ErrorKind::kFormat, path_, ": metadata key ", printable(entry.key()), ": expected once, found twice");
}

ValueId Reader::lookup(const std::string& name) {
  const auto found = ids_.find(name);
  if (found != ids_.end()) return found->second;
  return ids_[name] = file_.graph.add_value(printable(name));
}

ValueId Reader::define(const std::string& name, const std::string& where) {
  if (name.empty()) fail(ErrorKind::kFormat, where, ": expected a name for every value, found an empty one");
  const ValueId id = lookup(name);
  if (!defined_.insert(id).second)
    fail(ErrorKind::kFormat, where, ": value \"", printable(name), "\": expected one definition, found a second");
  return id;
}

const std::string& Reader::external_file(const std::string& location, const std::string& where) {
  for (const auto& known : external_)
    if (known.first == location) return known.second;
  // A file name only: an ONNX file must not make the importer read elsewhere.
  if (location.empty() || location == "." || location == ".." || location.find('/') != std::string::npos ||
      location.find('\\') != std::string::npos || printable(location) != location)
    fail(ErrorKind::kFormat, where, ": external data: expected a file in the ONNX file's own folder, found \"",
         location, "\"");
  const size_t slash = path_.rfind('/');
  const std::string folder = slash == std::string::npos ? "" : path_.substr(0, slash + 1);
  const std::string path = folder + location;
  struct stat status {};
  if (::lstat(path.c_str(), &status) == 0 && S_ISLNK(status.st_mode))
    fail(ErrorKind::kFormat, where, ": external data: expected a file in the ONNX file's own folder, found the link ",
         path);
  external_.emplace_back(location, read_file(path, concat("the external data of ", path_)));
  return external_.back().second;
}

int64_t parse_count(const std::string& text, const std::string& where, const std::string& key) {
  if (text.empty() || text.size() > 18 || text.find_first_not_of("0123456789") != std::string::npos)
    fail(ErrorKind::kFormat, where, ": external data: ", key, ": expected a whole number, found \"", printable(text),
         "\"");
  int64_t number = 0;
  for (const char digit : text) number = number * 10 + (digit - '0');
  return number;
}

void Reader::read_external(const onnx::TensorProto& proto, Array& array, const std::string& where) {
  std::string location;
  int64_t offset = 0;
  const int64_t needed = array.count() * static_cast<int64_t>(element_bytes(array.type));
  int64_t length = needed;
  for (const auto& entry : proto.external_data()) {
    if (entry.key() == "location") location = entry.value();
    if (entry.key() == "offset") offset = parse_count(entry.value(), where, "offset");
    if (entry.key() == "length") length = parse_count(entry.value(), where, "length");
  }
  const std::string& bytes = external_file(location, where);
  if (length != needed)
    fail(ErrorKind::kFormat, where, ": external data: expected ", needed, " bytes, found length ", length);
  const int64_t size = static_cast<int64_t>(bytes.size());
  if (offset > size || length > size - offset)
    fail(ErrorKind::kFormat, where, ": external data: expected bytes ", offset, " to ", offset + length, " in ",
         location, ", found ", size, " bytes");
  decode_raw(array, bytes.data() + offset);
}

template <typename Field, typename Out>
void copy_field(const Field& field, std::vector<Out>& out, const std::string& where) {
  if (static_cast<size_t>(field.size()) != out.size())
    fail(ErrorKind::kFormat, where, ": expected ", out.size(), " elements, found ", field.size());
  for (int i = 0; i < field.size(); ++i) out[static_cast<size_t>(i)] = static_cast<Out>(field.Get(i));
}

void Reader::read_typed(const onnx::TensorProto& proto, Array& array, const std::string& where) {
  switch (array.type) {
    case DataType::kFloat32:
      return copy_field(proto.float_data(), array.real, where);
    case DataType::kFloat64:
      return copy_field(proto.double_data(), array.real, where);
    case DataType::kInt64:
      return copy_field(proto.int64_data(), array.whole, where);
    case DataType::kInt32:
    case DataType::kBool:
      return copy_field(proto.int32_data(), array.whole, where);
    case DataType::kUnknown:
      return;
  }
}

Array Reader::read_tensor(const onnx::TensorProto& proto, const std::string& where) {
  const DataType type = data_type(proto.data_type());
  if (type == DataType::kUnknown)
    fail(ErrorKind::kUnsupported, where, ": expected FLOAT, DOUBLE, INT32, INT64 or BOOL elements, found ",
         type_name(proto.data_type()));
  if (proto.has_segment()) fail(ErrorKind::kUnsupported, where, ": expected a whole tensor, found a segment of one");
  const Dims dims(proto.dims().begin(), proto.dims().end());
  const bool external = proto.data_location() == onnx::TensorProto::EXTERNAL;
  // The bytes at hand bound the size before memory is asked for it.
  int64_t count = 1;
  for (const int64_t dim : dims)
    if (dim < 0 || __builtin_mul_overflow(count, dim, &count) || count > std::numeric_limits<int>::max())
      fail(ErrorKind::kFormat, where, ": expected at most 2147483647 elements, found shape ", to_string(dims));
  const int64_t needed = count * static_cast<int64_t>(element_bytes(type));
  if (!external && proto.has_raw_data() && static_cast<int64_t>(proto.raw_data().size()) != needed)
    fail(ErrorKind::kFormat, where, ": expected ", needed, " bytes for shape ", to_string(dims), ", found ",
         proto.raw_data().size());
  if (!external && !proto.has_raw_data() && count > static_cast<int64_t>(file_bytes_.size()))
    fail(ErrorKind::kFormat, where, ": expected ", count, " elements for shape ", to_string(dims), ", found fewer");
  Array array = make_array(type, dims);
  if (external)
    read_external(proto, array, where);
  else if (proto.has_raw_data())
    decode_raw(array, proto.raw_data().data());
  else
    read_typed(proto, array, where);
  return array;
}

void Reader::read_initializers() {
  for (const auto& proto : model_.graph().initializer()) {
    const std::string where = concat(path_, ": initializer \"", printable(proto.name()), "\"");
    const ValueId id = define(proto.name(), where);
    Array array = read_tensor(proto, where);
    Value& value = file_.graph.value(id);
    value.type = array.type;
    value.has_shape = true;
    value.shape = array.dims;
    value.constant = std::make_shared<const Array>(std::move(array));
  }
}

void Reader::read_inputs() {
  for (const auto& proto : model_.graph().input()) {
    if (defined_.count(lookup(proto.name())) != 0) continue;  // an initializer listed as input, as old files do
    const std::string where = concat(path_, ": input \"", printable(proto.name()), "\"");
    Value& value = file_.graph.value(define(proto.name(), where));
    file_.graph.inputs.push_back(lookup(proto.name()));
    if (!proto.type().has_tensor_type())
      fail(ErrorKind::kUnsupported, where, ": expected a tensor, found another type");
    const auto& tensor = proto.type().tensor_type();
    value.type = data_type(tensor.elem_type());
    value.has_shape = tensor.has_shape();
    for (const auto& dim : tensor.shape().dim())
      value.shape.push_back(dim.has_dim_value() ? dim.dim_value() : kUnknownDim);
  }
}

Attribute Reader::read_attribute(const onnx::NodeProto& node, const onnx::AttributeProto& proto) {
  const std::string where = concat(node_label(path_, node), ": attribute ", printable(proto.name()));
  switch (proto.type()) {
    case onnx::AttributeProto::INT:
      return proto.i();
    case onnx::AttributeProto::FLOAT:
      return static_cast<double>(proto.f());
    case onnx::AttributeProto::STRING:
      return proto.s();
    case onnx::AttributeProto::INTS:
      return std::vector<int64_t>(proto.ints().begin(), proto.ints().end());
    case onnx::AttributeProto::FLOATS:
      return std::vector<double>(proto.floats().begin(), proto.floats().end());
    case onnx::AttributeProto::TENSOR:
      return std::make_shared<const Array>(read_tensor(proto.t(), where));
    default:
      fail(ErrorKind::kUnsupported, where, ": expected a number, text, list or tensor, found ",
           onnx::AttributeProto::AttributeType_Name(proto.type()));
  }
}

void Reader::check_node(const onnx::NodeProto& proto) const {
  const std::string where = node_label(path_, proto);
  if (!proto.domain().empty() && proto.domain() != "ai.onnx")
    fail(ErrorKind::kUnsupported, where, ": expected a standard ONNX operator, found domain \"",
         printable(proto.domain()), "\"");
  const Operator* op = is_internal_operator(proto.op_type()) ? nullptr : find_operator(proto.op_type());
  if (op == nullptr)
    fail(ErrorKind::kUnsupported, where, ": expected an operator of this network, found ", printable(proto.op_type()));
  const size_t inputs = static_cast<size_t>(proto.input_size());
  if (inputs < op->min_inputs || inputs > op->max_inputs)
    fail(ErrorKind::kFormat, where, ": expected ", op->min_inputs, " to ", op->max_inputs, " inputs, found ", inputs);
  for (size_t i = 0; i < op->min_inputs && i < inputs; ++i)
    if (proto.input(static_cast<int>(i)).empty())
      fail(ErrorKind::kFormat, where, ": input ", i, ": expected a value, found none");
  if (proto.output_size() < 1 || static_cast<size_t>(proto.output_size()) > op->max_outputs)
    fail(ErrorKind::kFormat, where, ": expected 1 to ", op->max_outputs, " outputs, found ", proto.output_size());
  for (const auto& attribute : proto.attribute())
    if (std::find(op->attributes.begin(), op->attributes.end(), attribute.name()) == op->attributes.end())
      fail(ErrorKind::kUnsupported, where, ": expected only known attributes, found ", printable(attribute.name()));
}

void Reader::read_constant(const onnx::NodeProto& proto) {
  const std::string where = node_label(path_, proto);
  if (proto.attribute_size() != 1 || proto.output_size() != 1)
    fail(ErrorKind::kFormat, where, ": expected one value, found ", proto.attribute_size());
  const Attribute attribute = read_attribute(proto, proto.attribute(0));
  const std::string& kind = proto.attribute(0).name();
  Array array;
  if (const auto* tensor = std::get_if<ArrayPtr>(&attribute); tensor && kind == "value") {
    array = **tensor;
  } else if (const auto* number = std::get_if<int64_t>(&attribute); number && kind == "value_int") {
    array.type = DataType::kInt64;
    array.whole = {*number};
  } else if (const auto* real = std::get_if<double>(&attribute); real && kind == "value_float") {
    array.real = {*real};
  } else if (const auto* numbers = std::get_if<std::vector<int64_t>>(&attribute); numbers && kind == "value_ints") {
    array = whole_array(*numbers);
  } else if (const auto* reals = std::get_if<std::vector<double>>(&attribute); reals && kind == "value_floats") {
    array.dims = {static_cast<int64_t>(reals->size())};
    array.real = *reals;
  } else {
    fail(ErrorKind::kUnsupported, where, ": expected a tensor or numbers, found ", printable(kind));
  }
  Value& value = file_.graph.value(define(proto.output(0), where));
  value.type = array.type;
  value.has_shape = true;
  value.shape = array.dims;
  value.constant = std::make_shared<const Array>(std::move(array));
}

void Reader::read_node(const onnx::NodeProto& proto) {
  if (proto.op_type() == "Constant" && proto.domain().empty()) return read_constant(proto);
  check_node(proto);
  auto node = std::make_unique<Node>();
  node->op = node->source_op = proto.op_type();
  node->name = printable(proto.name());
  const std::string where = node_label(path_, proto);
  for (const std::string& name : proto.input()) node->inputs.push_back(name.empty() ? kNoValue : lookup(name));
  for (const std::string& name : proto.output()) node->outputs.push_back(name.empty() ? kNoValue : define(name, where));
  if (node->outputs[0] == kNoValue && node->outputs.size() == 1)
    fail(ErrorKind::kFormat, where, ": expected a named output, found none");
  for (const auto& attribute : proto.attribute())
    if (!node->attributes.emplace(attribute.name(), read_attribute(proto, attribute)).second)
      fail(ErrorKind::kFormat, where, ": attribute ", printable(attribute.name()), ": expected once, found twice");
  file_.graph.nodes.push_back(std::move(node));
}

void Reader::read_outputs() {
  for (const auto& proto : model_.graph().output())
    file_.graph.outputs.push_back({printable(proto.name()), lookup(proto.name())});
}

void Reader::check_defined() const {
  for (const auto& node : file_.graph.nodes)
    for (const ValueId id : node->inputs)
      if (id != kNoValue && defined_.count(id) == 0)
        fail_node(file_.graph, *node, "input \"", file_.graph.value(id).name,
                  "\": expected a graph input, an initializer or another node's output, found nothing of that name");
  for (const Output& output : file_.graph.outputs)
    if (defined_.count(output.value) == 0)
      fail(ErrorKind::kFormat, path_, ": output \"", output.name, "\": expected a node that makes it, found none");
}

void Reader::find_unused() {
  for (const auto& proto : model_.graph().initializer())
    if (file_.graph.use_count(lookup(proto.name())) == 0) file_.unused.push_back(printable(proto.name()));
}

OnnxFile Reader::read() {
  parse();
  check_header();
  read_metadata();
  read_initializers();
  read_inputs();
  for (const auto& proto : model_.graph().node()) read_node(proto);
  read_outputs();
  check_defined();
  find_unused();
  file_.graph.sort();
  for (const auto& entry : external_) file_bytes_ += entry.second;
  file_.bytes = static_cast<int64_t>(file_bytes_.size());
  file_.sha256 = sha256_hex(file_bytes_);
  return std::move(file_);
}

}  // namespace

OnnxFile read_onnx(const std::string& path) {
  return Reader(path).read();
}

}  // namespace sln::importer
