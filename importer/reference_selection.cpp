// Operators that choose elements: TopK, NonMaxSuppression, NonZero, Gather, GatherND.
#include <algorithm>
#include <limits>
#include <numeric>

#include "importer/operators.h"

namespace sln::importer {
namespace {

// Copies `length` elements from one array to another of its kind.
void copy_elements(const Array& from, int64_t from_at, Array& to, int64_t to_at, int64_t length) {
  if (is_real(from.type))
    std::copy_n(from.real.begin() + from_at, length, to.real.begin() + to_at);
  else
    std::copy_n(from.whole.begin() + from_at, length, to.whole.begin() + to_at);
}

// Along one axis: the k largest (or smallest), in order, equal ones by ascending index.
std::vector<Array> evaluate_top_k(const Node& node, const ArrayRefs& inputs, const EvaluationContext&) {
  const Array& in = *inputs[0];
  in.reals();
  const auto wanted = whole_parameter(node, inputs, 1, "k", {});
  const size_t axis = resolve_axis(node.integer("axis", -1), in.dims.size());
  const int64_t length = in.dims[axis], k = wanted.size() == 1 ? wanted[0] : -1;
  if (k < 0 || k > length) fail(ErrorKind::kFormat, "expected one k of 0 to ", length, ", found ", to_string(wanted));
  const bool largest = node.integer("largest", 1) != 0;
  const int64_t outer = product(in.dims, 0, axis), inner = product(in.dims, axis + 1, in.dims.size());
  Dims dims = in.dims;
  dims[axis] = k;
  Array values = make_array(in.type, dims), indices = make_array(DataType::kInt64, dims);
  std::vector<int64_t> order(static_cast<size_t>(length));
  for (int64_t o = 0; o < outer; ++o)
    for (int64_t i = 0; i < inner; ++i) {
      const double* x = in.real.data() + o * length * inner + i;
      std::iota(order.begin(), order.end(), 0);
      std::stable_sort(order.begin(), order.end(), [&](int64_t a, int64_t b) {
        return largest ? x[a * inner] > x[b * inner] : x[a * inner] < x[b * inner];
      });
      for (int64_t r = 0; r < k; ++r) {
        const size_t at = static_cast<size_t>((o * k + r) * inner + i);
        indices.whole[at] = order[static_cast<size_t>(r)];
        values.real[at] = x[order[static_cast<size_t>(r)] * inner];
      }
    }
  std::vector<Array> out;
  out.push_back(std::move(values));
  out.push_back(std::move(indices));
  return out;
}

double intersection_over_union(const double* a, const double* b) {
  const double width = std::min(a[2], b[2]) - std::max(a[0], b[0]);
  const double height = std::min(a[3], b[3]) - std::max(a[1], b[1]);
  const double inter = std::max(width, 0.0) * std::max(height, 0.0);
  const double both = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - inter;
  return both > 0 ? inter / both : 0.0;
}

struct NmsSettings {
  int64_t max_boxes = 0;
  double iou = 0;
  double score = -std::numeric_limits<double>::infinity();  // boxes at or below it are not looked at
};

// Greedy: by descending score, ties by ascending index, suppressed where IoU > iou.
std::vector<int64_t> suppress(const std::vector<double>& boxes, const double* scores, int64_t count,
                              const NmsSettings& settings) {
  std::vector<int64_t> order(static_cast<size_t>(count)), kept;
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](int64_t a, int64_t b) { return scores[a] > scores[b]; });
  for (const int64_t candidate : order) {
    if (static_cast<int64_t>(kept.size()) >= settings.max_boxes) break;
    if (!(scores[candidate] > settings.score)) continue;
    const double* box = &boxes[static_cast<size_t>(candidate) * 4];
    const bool free = std::all_of(kept.begin(), kept.end(), [&](int64_t other) {
      return !(intersection_over_union(box, &boxes[static_cast<size_t>(other) * 4]) > settings.iou);
    });
    if (free) kept.push_back(candidate);
  }
  return kept;
}

// One image and one class, as the network has; corners in either order of axes, since IoU does not mind.
std::vector<Array> evaluate_nms(const Node& node, const ArrayRefs& inputs, const EvaluationContext&) {
  const Array& boxes = *inputs[0];
  const Array& scores = *inputs[1];
  if (boxes.dims.size() != 3 || scores.dims.size() != 3 || boxes.dims[0] != 1 || boxes.dims[2] != 4 ||
      scores.dims != Dims{1, 1, boxes.dims[1]})
    fail(ErrorKind::kUnsupported, "expected boxes [1,n,4] and scores [1,1,n], found ", to_string(boxes.dims), " and ",
         to_string(scores.dims));
  if (node.integer("center_point_box", 0) != 0) fail(ErrorKind::kUnsupported, "expected center_point_box 0, found 1");
  NmsSettings settings;
  const auto max_boxes = whole_parameter(node, inputs, 2, "max_output_boxes_per_class", {0});
  settings.max_boxes = max_boxes.size() == 1 ? max_boxes[0] : 0;
  settings.iou = real_parameter(node, inputs, 3, "iou_threshold", 0.0);
  settings.score = real_parameter(node, inputs, 4, "score_threshold", settings.score);
  const auto kept = suppress(boxes.reals(), scores.reals().data(), boxes.dims[1], settings);
  Array out = make_array(DataType::kInt64, {static_cast<int64_t>(kept.size()), 3});
  for (size_t i = 0; i < kept.size(); ++i) out.whole[i * 3 + 2] = kept[i];
  return {std::move(out)};
}

std::vector<Array> evaluate_non_zero(const Node&, const ArrayRefs& inputs, const EvaluationContext&) {
  const Array& in = *inputs[0];
  std::vector<int64_t> found;
  for (int64_t i = 0; i < in.count(); ++i)
    if (is_real(in.type) ? in.real[static_cast<size_t>(i)] != 0 : in.whole[static_cast<size_t>(i)] != 0)
      found.push_back(i);
  const int64_t rank = static_cast<int64_t>(in.dims.size()), count = static_cast<int64_t>(found.size());
  Array out = make_array(DataType::kInt64, {rank, count});
  for (int64_t i = 0; i < count; ++i) {
    int64_t rest = found[static_cast<size_t>(i)];
    for (int64_t d = rank; d-- > 0;) {
      out.whole[static_cast<size_t>(d * count + i)] = rest % in.dims[static_cast<size_t>(d)];
      rest /= in.dims[static_cast<size_t>(d)];
    }
  }
  return {std::move(out)};
}

int64_t resolve_index(int64_t index, int64_t size) {
  if (index < -size || index >= size) fail(ErrorKind::kFormat, "expected an index below ", size, ", found ", index);
  return index < 0 ? index + size : index;
}

std::vector<Array> evaluate_gather(const Node& node, const ArrayRefs& inputs, const EvaluationContext&) {
  const Array& in = *inputs[0];
  const Array& indices = *inputs[1];
  const size_t axis = resolve_axis(node.integer("axis", 0), in.dims.size());
  Dims dims(in.dims.begin(), in.dims.begin() + static_cast<std::ptrdiff_t>(axis));
  dims.insert(dims.end(), indices.dims.begin(), indices.dims.end());
  dims.insert(dims.end(), in.dims.begin() + static_cast<std::ptrdiff_t>(axis) + 1, in.dims.end());
  Array out = make_array(in.type, dims);
  const int64_t outer = product(in.dims, 0, axis), inner = product(in.dims, axis + 1, in.dims.size());
  int64_t to = 0;
  for (int64_t o = 0; o < outer; ++o)
    for (const int64_t index : indices.wholes()) {
      copy_elements(in, (o * in.dims[axis] + resolve_index(index, in.dims[axis])) * inner, out, to, inner);
      to += inner;
    }
  return {std::move(out)};
}

std::vector<Array> evaluate_gather_nd(const Node& node, const ArrayRefs& inputs, const EvaluationContext&) {
  const Array& in = *inputs[0];
  const Array& indices = *inputs[1];
  if (node.integer("batch_dims", 0) != 0) fail(ErrorKind::kUnsupported, "expected batch_dims 0, found others");
  const int64_t depth = indices.dims.empty() ? 0 : indices.dims.back();
  if (depth < 1 || depth > static_cast<int64_t>(in.dims.size()))
    fail(ErrorKind::kFormat, "expected indices into ", to_string(in.dims), ", found shape ", to_string(indices.dims));
  const size_t fixed = static_cast<size_t>(depth);
  Dims dims(indices.dims.begin(), indices.dims.end() - 1);
  dims.insert(dims.end(), in.dims.begin() + static_cast<std::ptrdiff_t>(fixed), in.dims.end());
  Array out = make_array(in.type, dims);
  const int64_t inner = product(in.dims, fixed, in.dims.size());
  const std::vector<int64_t>& rows = indices.wholes();
  for (size_t row = 0; row * fixed < rows.size(); ++row) {
    int64_t from = 0;
    for (size_t d = 0; d < fixed; ++d) from = from * in.dims[d] + resolve_index(rows[row * fixed + d], in.dims[d]);
    copy_elements(in, from * inner, out, static_cast<int64_t>(row) * inner, inner);
  }
  return {std::move(out)};
}

}  // namespace

void add_selection_operators(OperatorTable& table) {
  table["TopK"] = {1, 2, 2, {"axis", "largest", "sorted"}, evaluate_top_k};
  table["NonMaxSuppression"] = {2, 5, 1, {"center_point_box"}, evaluate_nms};
  table["NonZero"] = {1, 1, 1, {}, evaluate_non_zero};
  table["Gather"] = {2, 2, 1, {"axis"}, evaluate_gather};
  table["GatherND"] = {2, 2, 1, {"batch_dims"}, evaluate_gather_nd};
}

}  // namespace sln::importer
