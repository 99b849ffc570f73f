// Operators that move elements about without computing: shapes, slices, concatenation.
#include <algorithm>
#include <limits>

#include "importer/operators.h"

namespace sln::importer {
namespace {

// Runs body(source elements, target elements) on the vectors that hold the arrays' kind.
template <typename Body>
void on_elements(const Array& from, Array& to, const Body& body) {
  if (is_real(from.type))
    body(from.real, to.real);
  else
    body(from.whole, to.whole);
}

std::vector<Array> evaluate_shape(const Node& node, const ArrayRefs& inputs, const EvaluationContext&) {
  const Dims& dims = inputs[0]->dims;
  const int64_t rank = static_cast<int64_t>(dims.size());
  const auto bound = [rank](int64_t i) { return std::min(std::max(i < 0 ? i + rank : i, int64_t{0}), rank); };
  const int64_t begin = bound(node.integer("start", 0)), end = bound(node.integer("end", rank));
  if (begin >= end) return {whole_array({})};
  return {whole_array({dims.begin() + begin, dims.begin() + end})};
}

std::vector<Array> evaluate_reshape(const Node& node, const ArrayRefs& inputs, const EvaluationContext&) {
  Array out = *inputs[0];
  Dims dims = whole_parameter(node, inputs, 1, "shape", {});
  int64_t known = 1;
  size_t open = dims.size();
  for (size_t i = 0; i < dims.size(); ++i) {
    if (dims[i] == 0 && node.integer("allowzero", 0) == 0 && i < out.dims.size()) dims[i] = out.dims[i];
    if (dims[i] == -1 && open == dims.size())
      open = i;
    else if (dims[i] < 0 || __builtin_mul_overflow(known, dims[i], &known))
      fail(ErrorKind::kFormat, "expected a shape, found ", to_string(dims));
  }
  if (open < dims.size()) dims[open] = known == 0 ? 0 : out.count() / known;
  if (element_count(dims) != out.count())
    fail(ErrorKind::kFormat, "expected a shape of ", out.count(), " elements, found ", to_string(dims));
  out.dims = dims;
  return {std::move(out)};
}

// Elements of `in` in the row-major order of dims, where a step along axis d is stride[d] elements of `in`.
Array gather_strided(const Array& in, const Dims& dims, const std::vector<int64_t>& stride) {
  Array out = make_array(in.type, dims);
  std::vector<int64_t> index(dims.size(), 0);
  on_elements(in, out, [&](const auto& source, auto& target) {
    int64_t at = 0;
    for (auto& element : target) {
      element = source[static_cast<size_t>(at)];
      for (size_t d = dims.size(); d-- > 0;) {
        at += stride[d];
        if (++index[d] < dims[d]) break;
        index[d] = 0;
        at -= stride[d] * dims[d];
      }
    }
  });
  return out;
}

std::vector<Array> evaluate_transpose(const Node& node, const ArrayRefs& inputs, const EvaluationContext&) {
  const Array& in = *inputs[0];
  const size_t rank = in.dims.size();
  std::vector<int64_t> reversed;
  for (size_t i = rank; i-- > 0;) reversed.push_back(static_cast<int64_t>(i));
  const auto perm = node.integers("perm", reversed);
  std::vector<int64_t> sorted = perm;
  std::sort(sorted.begin(), sorted.end());
  std::reverse(reversed.begin(), reversed.end());
  if (sorted != reversed)
    fail(ErrorKind::kFormat, "expected a permutation of ", rank, " axes, found ", to_string(perm));
  Dims dims(rank);
  std::vector<int64_t> stride(rank);
  for (size_t i = 0; i < rank; ++i) {
    const size_t from = static_cast<size_t>(perm[i]);
    dims[i] = in.dims[from];
    stride[i] = product(in.dims, from + 1, rank);
  }
  return {gather_strided(in, dims, stride)};
}

std::vector<Array> evaluate_concat(const Node& node, const ArrayRefs& inputs, const EvaluationContext&) {
  const Array& first = *inputs[0];
  const size_t axis = resolve_axis(node.integer("axis", 0), first.dims.size());
  Dims dims = first.dims;
  dims[axis] = 0;
  for (const Array* input : inputs) {
    if (input == nullptr) fail(ErrorKind::kFormat, "expected inputs without a gap, found one left out");
    Dims rest = input->dims;
    if (input->type != first.type || rest.size() != dims.size())
      fail(ErrorKind::kFormat, "expected tensors of one type and rank, found ", to_string(first.dims), " and ",
           to_string(rest));
    dims[axis] += rest[axis];
    rest[axis] = first.dims[axis];
    if (rest != first.dims)
      fail(ErrorKind::kFormat, "expected shapes that differ along axis ", axis, " only, found ",
           to_string(input->dims));
  }
  Array out = make_array(first.type, dims);
  const int64_t outer = product(dims, 0, axis), inner = product(dims, axis + 1, dims.size());
  int64_t offset = 0;
  for (const Array* input : inputs) {
    const int64_t run = input->dims[axis] * inner;
    on_elements(*input, out, [&](const auto& source, auto& target) {
      for (int64_t o = 0; o < outer; ++o)
        std::copy_n(source.begin() + o * run, run, target.begin() + o * dims[axis] * inner + offset);
    });
    offset += run;
  }
  return {std::move(out)};
}

// One axis of a slice, resolved against the size there.
struct Range {
  int64_t start = 0, step = 1, count = 0;
};

Range resolve_range(int64_t start, int64_t end, int64_t step, int64_t size) {
  if (step == 0) fail(ErrorKind::kFormat, "expected a step that is not 0, found 0");
  const auto wrap = [size](int64_t i, int64_t low, int64_t high) {
    if (i < 0) i = i < -size ? low : i + size;
    return std::min(std::max(i, low), high);
  };
  Range range;
  range.step = step;
  range.start = step > 0 ? wrap(start, 0, size) : wrap(start, 0, size - 1);
  const int64_t stop = step > 0 ? wrap(end, 0, size) : wrap(end, -1, size - 1);
  const int64_t span = step > 0 ? stop - range.start : range.start - stop;
  const int64_t stride = step > 0 ? step : (step == std::numeric_limits<int64_t>::min() ? size + 1 : -step);
  range.count = span <= 0 ? 0 : (span - 1) / stride + 1;
  return range;
}

Array slice_axis(const Array& in, size_t axis, const Range& range) {
  Dims dims = in.dims;
  dims[axis] = range.count;
  Array out = make_array(in.type, dims);
  const int64_t outer = product(dims, 0, axis), inner = product(dims, axis + 1, dims.size());
  on_elements(in, out, [&](const auto& source, auto& target) {
    auto write = target.begin();
    for (int64_t o = 0; o < outer; ++o)
      for (int64_t i = 0; i < range.count; ++i)
        write = std::copy_n(source.begin() + (o * in.dims[axis] + range.start + i * range.step) * inner, inner, write);
  });
  return out;
}

std::vector<Array> evaluate_slice(const Node& node, const ArrayRefs& inputs, const EvaluationContext&) {
  Array out = *inputs[0];
  const auto starts = whole_parameter(node, inputs, 1, "starts", {});
  const auto ends = whole_parameter(node, inputs, 2, "ends", {});
  std::vector<int64_t> every, ones(starts.size(), 1);
  for (size_t i = 0; i < starts.size(); ++i) every.push_back(static_cast<int64_t>(i));
  const auto axes = whole_parameter(node, inputs, 3, "axes", every);
  const auto steps = whole_parameter(node, inputs, 4, "steps", ones);
  if (starts.size() != ends.size() || starts.size() != axes.size() || starts.size() != steps.size())
    fail(ErrorKind::kFormat, "expected as many starts as ends, axes and steps, found ", starts.size(), ", ",
         ends.size(), ", ", axes.size(), ", ", steps.size());
  for (size_t i = 0; i < starts.size(); ++i) {
    const size_t axis = resolve_axis(axes[i], out.dims.size());
    out = slice_axis(out, axis, resolve_range(starts[i], ends[i], steps[i], out.dims[axis]));
  }
  return {std::move(out)};
}

std::vector<Array> evaluate_squeeze(const Node& node, const ArrayRefs& inputs, const EvaluationContext&) {
  Array out = *inputs[0];
  std::vector<bool> gone(out.dims.size(), false);
  const auto axes = whole_parameter(node, inputs, 1, "axes", {});
  for (const int64_t axis : axes) gone[resolve_axis(axis, out.dims.size())] = true;
  Dims dims;
  for (size_t i = 0; i < out.dims.size(); ++i) {
    if (axes.empty()) gone[i] = out.dims[i] == 1;
    if (gone[i] && out.dims[i] != 1)
      fail(ErrorKind::kFormat, "expected size 1 along axis ", i, ", found shape ", to_string(out.dims));
    if (!gone[i]) dims.push_back(out.dims[i]);
  }
  out.dims = dims;
  return {std::move(out)};
}

std::vector<Array> evaluate_unsqueeze(const Node& node, const ArrayRefs& inputs, const EvaluationContext&) {
  Array out = *inputs[0];
  const auto axes = whole_parameter(node, inputs, 1, "axes", {});
  std::vector<bool> fresh(out.dims.size() + axes.size(), false);
  for (const int64_t axis : axes) {
    const size_t at = resolve_axis(axis, fresh.size());
    if (fresh[at]) fail(ErrorKind::kFormat, "expected distinct axes, found ", to_string(axes));
    fresh[at] = true;
  }
  Dims dims;
  auto old = out.dims.begin();
  for (const bool is_fresh : fresh) dims.push_back(is_fresh ? 1 : *old++);
  out.dims = dims;
  return {std::move(out)};
}

std::vector<Array> evaluate_expand(const Node& node, const ArrayRefs& inputs, const EvaluationContext&) {
  const Array& in = *inputs[0];
  const Dims dims = broadcast(in.dims, whole_parameter(node, inputs, 1, "shape", {}));
  const size_t rank = dims.size(), lead = rank - in.dims.size();
  std::vector<int64_t> stride(rank, 0);
  for (size_t i = 0; i < in.dims.size(); ++i)
    stride[lead + i] = in.dims[i] == 1 ? 0 : product(in.dims, i + 1, in.dims.size());
  return {gather_strided(in, dims, stride)};
}

std::vector<Array> evaluate_constant_of_shape(const Node& node, const ArrayRefs& inputs, const EvaluationContext&) {
  const Dims dims = inputs[0]->wholes();
  const auto found = node.attributes.find("value");
  if (found == node.attributes.end()) return {make_array(DataType::kFloat32, dims)};
  const ArrayPtr* value = std::get_if<ArrayPtr>(&found->second);
  if (value == nullptr || (*value)->count() != 1)
    fail(ErrorKind::kFormat, "attribute value: expected one element, found others");
  Array out = make_array((*value)->type, dims);
  on_elements(**value, out,
              [](const auto& source, auto& target) { std::fill(target.begin(), target.end(), source[0]); });
  return {std::move(out)};
}

std::vector<Array> evaluate_range(const Node&, const ArrayRefs& inputs, const EvaluationContext&) {
  for (const Array* input : inputs)
    if (input->type != DataType::kInt64 || input->count() != 1)
      fail(ErrorKind::kUnsupported, "expected three int64 scalars, found ", to_string(input->type), " ",
           to_string(input->dims));
  const int64_t start = inputs[0]->whole[0], limit = inputs[1]->whole[0], step = inputs[2]->whole[0];
  constexpr int64_t kBound = int64_t{1} << 31;
  if (step == 0 || std::abs(start / 2) > kBound || std::abs(limit / 2) > kBound || std::abs(step / 2) > kBound)
    fail(ErrorKind::kFormat, "expected a range of moderate numbers, found ", start, " to ", limit, " by ", step);
  std::vector<int64_t> values;
  for (int64_t i = start; step > 0 ? i < limit : i > limit; i += step) values.push_back(i);
  return {whole_array(std::move(values))};
}

std::vector<Array> evaluate_pad(const Node& node, const ArrayRefs& inputs, const EvaluationContext&) {
  const Array& in = *inputs[0];
  const size_t rank = in.dims.size();
  const auto pads = whole_parameter(node, inputs, 1, "pads", {});
  const double fill = real_parameter(node, inputs, 2, "constant_value", 0.0);
  if (node.text("mode", "constant") != "constant" || pads.size() != 2 * rank || inputs.size() > 3)
    fail(ErrorKind::kUnsupported, "expected mode constant and ", 2 * rank, " pads, found ",
         node.text("mode", "constant"), " and ", to_string(pads));
  Dims dims = in.dims;
  for (size_t i = 0; i < rank; ++i) {
    if (pads[i] < 0 || pads[i + rank] < 0 || pads[i] > 65535 || pads[i + rank] > 65535)
      fail(ErrorKind::kUnsupported, "expected pads of 0 to 65535, found ", to_string(pads));
    dims[i] += pads[i] + pads[i + rank];
  }
  Array out = make_array(in.type, dims);
  std::fill(out.real.begin(), out.real.end(), fill);
  std::fill(out.whole.begin(), out.whole.end(), static_cast<int64_t>(fill));
  std::vector<int64_t> index(rank, 0);
  on_elements(in, out, [&](const auto& source, auto& target) {
    for (const auto& element : source) {
      int64_t at = 0;
      for (size_t d = 0; d < rank; ++d) at = at * dims[d] + index[d] + pads[d];
      target[static_cast<size_t>(at)] = element;
      for (size_t d = rank; d-- > 0;) {
        if (++index[d] < in.dims[d]) break;
        index[d] = 0;
      }
    }
  });
  return {std::move(out)};
}

}  // namespace

void add_shape_operators(OperatorTable& table) {
  table["Shape"] = {1, 1, 1, {"start", "end"}, evaluate_shape};
  table["Reshape"] = {1, 2, 1, {"allowzero"}, evaluate_reshape};
  table["Transpose"] = {1, 1, 1, {"perm"}, evaluate_transpose};
  table["Concat"] = {1, 64, 1, {"axis"}, evaluate_concat};
  table["Slice"] = {1, 5, 1, {}, evaluate_slice};
  table["Squeeze"] = {1, 2, 1, {}, evaluate_squeeze};
  table["Unsqueeze"] = {1, 2, 1, {}, evaluate_unsqueeze};
  table["Expand"] = {1, 2, 1, {}, evaluate_expand};
  table["ConstantOfShape"] = {1, 1, 1, {"value"}, evaluate_constant_of_shape};
  table["Range"] = {3, 3, 1, {}, evaluate_range};
  table["Pad"] = {1, 4, 1, {"mode"}, evaluate_pad};
}

}  // namespace sln::importer
