// Elementwise operators with numpy broadcasting.
#include <algorithm>
#include <cmath>
#include <limits>

#include "importer/operators.h"

namespace sln::importer {
namespace {

// Walks `out` in row-major order and calls body(out index, index into a, index into b).
template <typename Body>
void for_each_pair(const Dims& out, const Dims& a, const Dims& b, const Body& body) {
  const size_t rank = out.size();
  std::vector<int64_t> stride_a(rank, 0), stride_b(rank, 0), index(rank, 0);
  const auto strides = [rank](const Dims& dims, std::vector<int64_t>& stride) {
    int64_t step = 1;
    for (size_t i = 0; i < dims.size(); ++i) {
      const size_t from_inner = dims.size() - 1 - i;
      stride[rank - 1 - i] = dims[from_inner] == 1 ? 0 : step;
      step *= dims[from_inner];
    }
  };
  strides(a, stride_a);
  strides(b, stride_b);
  const int64_t count = element_count(out);
  int64_t at_a = 0, at_b = 0;
  for (int64_t i = 0; i < count; ++i) {
    body(static_cast<size_t>(i), static_cast<size_t>(at_a), static_cast<size_t>(at_b));
    for (size_t d = rank; d-- > 0;) {
      at_a += stride_a[d];
      at_b += stride_b[d];
      if (++index[d] < out[d]) break;
      index[d] = 0;
      at_a -= stride_a[d] * out[d];
      at_b -= stride_b[d] * out[d];
    }
  }
}

// Real and whole-number form of one binary operator.
template <typename Real, typename Whole>
std::vector<Array> binary(const ArrayRefs& inputs, const Real& real, const Whole& whole) {
  const Array& a = *inputs[0];
  const Array& b = *inputs[1];
  if (a.type != b.type)
    fail(ErrorKind::kFormat, "expected two tensors of one type, found ", to_string(a.type), " and ", to_string(b.type));
  Array out = make_array(a.type, broadcast(a.dims, b.dims));
  if (is_real(a.type))
    for_each_pair(out.dims, a.dims, b.dims,
                  [&](size_t o, size_t i, size_t j) { out.real[o] = real(a.real[i], b.real[j]); });
  else
    for_each_pair(out.dims, a.dims, b.dims,
                  [&](size_t o, size_t i, size_t j) { out.whole[o] = whole(a.whole[i], b.whole[j]); });
  return {std::move(out)};
}

template <typename Compare>
std::vector<Array> comparison(const ArrayRefs& inputs, const Compare& compare) {
  const Array& a = *inputs[0];
  const Array& b = *inputs[1];
  if (a.type != b.type)
    fail(ErrorKind::kFormat, "expected two tensors of one type, found ", to_string(a.type), " and ", to_string(b.type));
  Array out = make_array(DataType::kBool, broadcast(a.dims, b.dims));
  if (is_real(a.type))
    for_each_pair(out.dims, a.dims, b.dims,
                  [&](size_t o, size_t i, size_t j) { out.whole[o] = compare(a.real[i], b.real[j]); });
  else
    for_each_pair(out.dims, a.dims, b.dims,
                  [&](size_t o, size_t i, size_t j) { out.whole[o] = compare(a.whole[i], b.whole[j]); });
  return {std::move(out)};
}

template <typename Function>
std::vector<Array> unary(const ArrayRefs& inputs, const Function& function) {
  Array out = make_array(inputs[0]->type, inputs[0]->dims);
  const std::vector<double>& in = inputs[0]->reals();
  for (size_t i = 0; i < in.size(); ++i) out.real[i] = function(in[i]);
  return {std::move(out)};
}

// Whole numbers wrap around as the hardware of every runtime does; signed overflow would be undefined here.
int64_t wrap_add(int64_t a, int64_t b) {
  return static_cast<int64_t>(static_cast<uint64_t>(a) + static_cast<uint64_t>(b));
}
int64_t wrap_sub(int64_t a, int64_t b) {
  return static_cast<int64_t>(static_cast<uint64_t>(a) - static_cast<uint64_t>(b));
}
int64_t wrap_mul(int64_t a, int64_t b) {
  return static_cast<int64_t>(static_cast<uint64_t>(a) * static_cast<uint64_t>(b));
}
int64_t divide(int64_t a, int64_t b) {
  if (b == 0) fail(ErrorKind::kFormat, "expected a divisor that is not 0, found 0");
  return b == -1 ? wrap_sub(0, a) : a / b;
}

std::vector<Array> evaluate_clip(const Node& node, const ArrayRefs& inputs, const EvaluationContext&) {
  const double low = real_parameter(node, inputs, 1, "min", -std::numeric_limits<double>::infinity());
  const double high = real_parameter(node, inputs, 2, "max", std::numeric_limits<double>::infinity());
  if (is_real(inputs[0]->type)) return unary(inputs, [&](double x) { return std::min(std::max(x, low), high); });
  Array out = *inputs[0];
  for (int64_t& x : out.whole) {
    if (static_cast<double>(x) < low) x = static_cast<int64_t>(low);
    if (static_cast<double>(x) > high) x = static_cast<int64_t>(high);
  }
  return {std::move(out)};
}

int64_t to_whole(double x, DataType type) {
  const double limit = type == DataType::kInt32 ? 2147483648.0 : 9223372036854775808.0;
  if (!(x > -limit && x < limit))
    fail(ErrorKind::kFormat, "expected a number that fits ", to_string(type), ", found ", x);
  return static_cast<int64_t>(x);  // towards zero
}

DataType cast_target(const Node& node) {
  switch (node.integer("to", 0)) {  // numbers of the ONNX element types
    case 1:
      return DataType::kFloat32;
    case 6:
      return DataType::kInt32;
    case 7:
      return DataType::kInt64;
    case 9:
      return DataType::kBool;
    case 11:
      return DataType::kFloat64;
    default:
      fail(ErrorKind::kUnsupported, "attribute to: expected FLOAT, DOUBLE, INT32, INT64 or BOOL, found type ",
           node.integer("to", 0));
  }
}

std::vector<Array> evaluate_cast(const Node& node, const ArrayRefs& inputs, const EvaluationContext&) {
  const Array& in = *inputs[0];
  Array out = make_array(cast_target(node), in.dims);
  const size_t count = static_cast<size_t>(in.count());
  for (size_t i = 0; i < count; ++i) {
    if (is_real(out.type))
      out.real[i] = is_real(in.type) ? in.real[i] : static_cast<double>(in.whole[i]);
    else if (out.type == DataType::kBool)
      out.whole[i] = is_real(in.type) ? in.real[i] != 0 : in.whole[i] != 0;
    else
      out.whole[i] = is_real(in.type) ? to_whole(in.real[i], out.type) : in.whole[i];
  }
  return {std::move(out)};
}

std::vector<Array> evaluate_where(const Node&, const ArrayRefs& inputs, const EvaluationContext&) {
  const Array& condition = *inputs[0];
  const Array& a = *inputs[1];
  const Array& b = *inputs[2];
  if (a.type != b.type || condition.type != DataType::kBool)
    fail(ErrorKind::kFormat, "expected a bool and two tensors of one type, found ", to_string(condition.type), ", ",
         to_string(a.type), ", ", to_string(b.type));
  Array out = make_array(a.type, broadcast(condition.dims, broadcast(a.dims, b.dims)));
  const auto pick = [&](const Array& from, int64_t wanted) {
    for_each_pair(out.dims, condition.dims, from.dims, [&](size_t o, size_t c, size_t i) {
      if ((condition.whole[c] != 0) != (wanted != 0)) return;
      if (is_real(out.type))
        out.real[o] = from.real[i];
      else
        out.whole[o] = from.whole[i];
    });
  };
  pick(a, 1);
  pick(b, 0);
  return {std::move(out)};
}

std::vector<Array> evaluate_not(const Node&, const ArrayRefs& inputs, const EvaluationContext&) {
  Array out = *inputs[0];
  if (out.type != DataType::kBool) fail(ErrorKind::kFormat, "expected a bool tensor, found ", to_string(out.type));
  for (int64_t& x : out.whole) x = x == 0;
  return {std::move(out)};
}

std::vector<Array> evaluate_identity(const Node&, const ArrayRefs& inputs, const EvaluationContext&) {
  return {*inputs[0]};
}

#define SLN_BINARY(real_form, whole_form)                                                                       \
  [](const Node&, const ArrayRefs& inputs, const EvaluationContext&) {                                          \
    return binary(                                                                                              \
        inputs, [](double a, double b) { return real_form; }, [](int64_t a, int64_t b) { return whole_form; }); \
  }
#define SLN_COMPARISON(form)                                                   \
  [](const Node&, const ArrayRefs& inputs, const EvaluationContext&) {         \
    return comparison(inputs, [](auto a, auto b) -> int64_t { return form; }); \
  }
#define SLN_UNARY(form)                                                \
  [](const Node&, const ArrayRefs& inputs, const EvaluationContext&) { \
    return unary(inputs, [](double x) { return form; });               \
  }

}  // namespace

void add_elementwise_operators(OperatorTable& table) {
  table["Add"] = {2, 2, 1, {}, SLN_BINARY(a + b, wrap_add(a, b))};
  table["Sub"] = {2, 2, 1, {}, SLN_BINARY(a - b, wrap_sub(a, b))};
  table["Mul"] = {2, 2, 1, {}, SLN_BINARY(a * b, wrap_mul(a, b))};
  table["Div"] = {2, 2, 1, {}, SLN_BINARY(a / b, divide(a, b))};
  table["Min"] = {2, 2, 1, {}, SLN_BINARY(std::min(a, b), std::min(a, b))};
  table["Max"] = {2, 2, 1, {}, SLN_BINARY(std::max(a, b), std::max(a, b))};
  table["Greater"] = {2, 2, 1, {}, SLN_COMPARISON(a > b)};
  table["GreaterOrEqual"] = {2, 2, 1, {}, SLN_COMPARISON(a >= b)};
  table["Less"] = {2, 2, 1, {}, SLN_COMPARISON(a < b)};
  table["LessOrEqual"] = {2, 2, 1, {}, SLN_COMPARISON(a <= b)};
  table["Equal"] = {2, 2, 1, {}, SLN_COMPARISON(a == b)};
  table["And"] = {2, 2, 1, {}, SLN_COMPARISON(a != 0 && b != 0)};
  table["Or"] = {2, 2, 1, {}, SLN_COMPARISON(a != 0 || b != 0)};
  table["Not"] = {1, 1, 1, {}, evaluate_not};
  table["Relu"] = {1, 1, 1, {}, SLN_UNARY(x > 0 ? x : 0.0)};
  table["Sigmoid"] = {1, 1, 1, {}, SLN_UNARY(1.0 / (1.0 + std::exp(-x)))};
  table["Exp"] = {1, 1, 1, {}, SLN_UNARY(std::exp(x))};
  table["Log"] = {1, 1, 1, {}, SLN_UNARY(std::log(x))};
  table["Sqrt"] = {1, 1, 1, {}, SLN_UNARY(std::sqrt(x))};
  table["Neg"] = {1, 1, 1, {}, SLN_UNARY(-x)};
  table["Floor"] = {1, 1, 1, {}, SLN_UNARY(std::floor(x))};
  table["Clip"] = {1, 3, 1, {}, evaluate_clip};
  table["Cast"] = {1, 1, 1, {"to", "saturate"}, evaluate_cast};
  table["Where"] = {3, 3, 1, {}, evaluate_where};
  table["Identity"] = {1, 1, 1, {}, evaluate_identity};
}

}  // namespace sln::importer
