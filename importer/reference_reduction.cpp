// Reductions along axes: softmax, sums, minima, argmax.
#include <algorithm>
#include <cmath>
#include <limits>

#include "importer/operators.h"

namespace sln::importer {
namespace {

// A tensor seen as (outer, length, inner) around one axis.
struct AxisView {
  int64_t outer, length, inner;
};

AxisView view_axis(const Dims& dims, size_t axis) {
  return {product(dims, 0, axis), dims[axis], product(dims, axis + 1, dims.size())};
}

std::vector<Array> evaluate_softmax(const Node& node, const ArrayRefs& inputs, const EvaluationContext&) {
  const Array& in = *inputs[0];
  in.reals();
  const AxisView view = view_axis(in.dims, resolve_axis(node.integer("axis", -1), in.dims.size()));
  Array out = make_array(in.type, in.dims);
  for (int64_t o = 0; o < view.outer; ++o)
    for (int64_t i = 0; i < view.inner; ++i) {
      const double* x = in.real.data() + o * view.length * view.inner + i;
      double* y = out.real.data() + o * view.length * view.inner + i;
      double top = -std::numeric_limits<double>::infinity(), sum = 0;
      for (int64_t k = 0; k < view.length; ++k) top = std::max(top, x[k * view.inner]);
      for (int64_t k = 0; k < view.length; ++k) sum += y[k * view.inner] = std::exp(x[k * view.inner] - top);
      for (int64_t k = 0; k < view.length; ++k) y[k * view.inner] /= sum;
    }
  return {std::move(out)};
}

std::vector<size_t> reduced_axes(const Node& node, const ArrayRefs& inputs, size_t rank) {
  std::vector<size_t> axes;
  for (const int64_t axis : whole_parameter(node, inputs, 1, "axes", {})) axes.push_back(resolve_axis(axis, rank));
  if (axes.empty() && node.integer("noop_with_empty_axes", 0) != 0)
    fail(ErrorKind::kUnsupported, "expected axes, found none with noop_with_empty_axes");
  if (axes.empty())
    for (size_t i = 0; i < rank; ++i) axes.push_back(i);
  std::sort(axes.begin(), axes.end());
  axes.erase(std::unique(axes.begin(), axes.end()), axes.end());
  return axes;
}

// Combines along `axis`, which keeps length 1.
template <typename Combine>
Array reduce_axis(const Array& in, size_t axis, double start, const Combine& combine) {
  const AxisView view = view_axis(in.dims, axis);
  Dims dims = in.dims;
  dims[axis] = 1;
  Array out = make_array(in.type, dims);
  for (int64_t o = 0; o < view.outer; ++o)
    for (int64_t i = 0; i < view.inner; ++i) {
      double result = start;
      for (int64_t k = 0; k < view.length; ++k)
        result = combine(result, in.real[static_cast<size_t>((o * view.length + k) * view.inner + i)]);
      out.real[static_cast<size_t>(o * view.inner + i)] = result;
    }
  return out;
}

Dims without_axes(const Dims& dims, const std::vector<size_t>& axes) {
  Dims kept;
  for (size_t i = 0; i < dims.size(); ++i)
    if (!std::binary_search(axes.begin(), axes.end(), i)) kept.push_back(dims[i]);
  return kept;
}

template <typename Combine>
std::vector<Array> reduce(const Node& node, const ArrayRefs& inputs, double start, const Combine& combine) {
  Array out = *inputs[0];
  out.reals();
  const std::vector<size_t> axes = reduced_axes(node, inputs, out.dims.size());
  for (const size_t axis : axes) out = reduce_axis(out, axis, start, combine);
  if (node.integer("keepdims", 1) == 0) out.dims = without_axes(out.dims, axes);
  return {std::move(out)};
}

std::vector<Array> evaluate_reduce_sum(const Node& node, const ArrayRefs& inputs, const EvaluationContext&) {
  return reduce(node, inputs, 0.0, [](double a, double b) { return a + b; });
}
std::vector<Array> evaluate_reduce_min(const Node& node, const ArrayRefs& inputs, const EvaluationContext&) {
  return reduce(node, inputs, std::numeric_limits<double>::infinity(),
                [](double a, double b) { return std::min(a, b); });
}
std::vector<Array> evaluate_reduce_max(const Node& node, const ArrayRefs& inputs, const EvaluationContext&) {
  return reduce(node, inputs, -std::numeric_limits<double>::infinity(),
                [](double a, double b) { return std::max(a, b); });
}

std::vector<Array> evaluate_arg_max(const Node& node, const ArrayRefs& inputs, const EvaluationContext&) {
  const Array& in = *inputs[0];
  in.reals();
  if (node.integer("select_last_index", 0) != 0)
    fail(ErrorKind::kUnsupported, "expected select_last_index 0, found ", node.integer("select_last_index", 0));
  const size_t axis = resolve_axis(node.integer("axis", 0), in.dims.size());
  const AxisView view = view_axis(in.dims, axis);
  Dims dims = in.dims;
  dims[axis] = 1;
  if (view.length < 1) fail(ErrorKind::kFormat, "expected an axis that is not empty, found ", to_string(in.dims));
  Array out = make_array(DataType::kInt64, dims);
  for (int64_t o = 0; o < view.outer; ++o)
    for (int64_t i = 0; i < view.inner; ++i) {
      const double* x = in.real.data() + o * view.length * view.inner + i;
      int64_t best = 0;
      for (int64_t k = 1; k < view.length; ++k)
        if (x[k * view.inner] > x[best * view.inner]) best = k;
      out.whole[static_cast<size_t>(o * view.inner + i)] = best;
    }
  if (node.integer("keepdims", 1) == 0) out.dims = without_axes(out.dims, {axis});
  return {std::move(out)};
}

}  // namespace

void add_reduction_operators(OperatorTable& table) {
  const std::vector<std::string> reduce = {"axes", "keepdims", "noop_with_empty_axes"};
  table["Softmax"] = {1, 1, 1, {"axis"}, evaluate_softmax};
  table["ReduceSum"] = {1, 2, 1, reduce, evaluate_reduce_sum};
  table["ReduceMin"] = {1, 2, 1, reduce, evaluate_reduce_min};
  table["ReduceMax"] = {1, 2, 1, reduce, evaluate_reduce_max};
  table["ArgMax"] = {1, 1, 1, {"axis", "keepdims", "select_last_index"}, evaluate_arg_max};
}

}  // namespace sln::importer
