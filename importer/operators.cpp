#include "importer/operators.h"

#include <algorithm>

namespace sln::importer {
namespace {

OperatorTable build_table() {
  OperatorTable table;
  add_convolution_operators(table);
  add_elementwise_operators(table);
  add_pooling_operators(table);
  add_reduction_operators(table);
  add_selection_operators(table);
  add_shape_operators(table);
  return table;
}

}  // namespace

const Operator* find_operator(const std::string& op) {
  static const OperatorTable table = build_table();
  const auto found = table.find(op);
  return found == table.end() ? nullptr : &found->second;
}

bool is_internal_operator(const std::string& op) {
  return op == "FusedConv";
}

size_t resolve_axis(int64_t axis, size_t rank) {
  const int64_t signed_rank = static_cast<int64_t>(rank);
  if (axis < -signed_rank || axis >= signed_rank)
    fail(ErrorKind::kFormat, "expected an axis of a tensor of rank ", rank, ", found ", axis);
  return static_cast<size_t>(axis < 0 ? axis + signed_rank : axis);
}

int64_t product(const Dims& dims, size_t begin, size_t end) {
  int64_t count = 1;
  for (size_t i = begin; i < end; ++i) count *= dims[i];
  return count;
}

std::vector<int64_t> whole_parameter(const Node& node, const ArrayRefs& inputs, size_t index, const std::string& name,
                                     const std::vector<int64_t>& absent) {
  if (node.has(name)) {
    if (const auto* single = std::get_if<int64_t>(&node.attributes.at(name))) return {*single};
    return node.integers(name, absent);
  }
  if (index < inputs.size() && inputs[index] != nullptr) return inputs[index]->wholes();
  return absent;
}

double real_parameter(const Node& node, const ArrayRefs& inputs, size_t index, const std::string& name, double absent) {
  if (node.has(name)) return node.real(name, absent);
  if (index >= inputs.size() || inputs[index] == nullptr) return absent;
  const Array& array = *inputs[index];
  if (array.count() != 1) fail(ErrorKind::kFormat, "expected a scalar ", name, ", found shape ", to_string(array.dims));
  return is_real(array.type) ? array.real[0] : static_cast<double>(array.whole[0]);
}

Dims broadcast(const Dims& a, const Dims& b) {
  Dims out(std::max(a.size(), b.size()), 1);
  for (size_t i = 0; i < out.size(); ++i) {  // i counts from the innermost dimension
    const int64_t da = i < a.size() ? a[a.size() - 1 - i] : 1;
    const int64_t db = i < b.size() ? b[b.size() - 1 - i] : 1;
    if (da != db && da != 1 && db != 1)
      fail(ErrorKind::kFormat, "expected shapes that broadcast, found ", to_string(a), " and ", to_string(b));
    out[out.size() - 1 - i] = da == 1 ? db : da;  // 0 stays 0
  }
  return out;
}

}  // namespace sln::importer
