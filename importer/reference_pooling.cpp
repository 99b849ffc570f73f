// Pooling, resizing and RoiAlign, straight from their definitions.
#include <algorithm>
#include <cmath>
#include <limits>

#include "importer/operators.h"

namespace sln::importer {
namespace {

struct Window {
  int64_t kernel[2], stride[2], pad_begin[2], pad_end[2], dilation[2];
};

Window read_window(const Node& node, const Array& input) {
  if (input.dims.size() != 4) fail(ErrorKind::kFormat, "expected an NCHW tensor, found shape ", to_string(input.dims));
  const auto kernel = node.integers("kernel_shape", {});
  const auto stride = node.integers("strides", {1, 1});
  const auto pads = node.integers("pads", {0, 0, 0, 0});
  const auto dilation = node.integers("dilations", {1, 1});
  if (kernel.size() != 2 || stride.size() != 2 || pads.size() != 4 || dilation.size() != 2)
    fail(ErrorKind::kFormat, "expected a window of two dimensions, found kernel_shape ", to_string(kernel));
  if (node.text("auto_pad", "NOTSET") != "NOTSET" || node.integer("ceil_mode", 0) != 0)
    fail(ErrorKind::kUnsupported, "expected auto_pad NOTSET and ceil_mode 0, found others");
  Window window{};
  for (size_t i = 0; i < 2; ++i) {
    window.kernel[i] = kernel[i];
    window.stride[i] = stride[i];
    window.pad_begin[i] = pads[i];
    window.pad_end[i] = pads[i + 2];
    window.dilation[i] = dilation[i];
    if (kernel[i] < 1 || stride[i] < 1 || pads[i] < 0 || pads[i + 2] < 0 || dilation[i] < 1 || kernel[i] > 65535 ||
        dilation[i] > 65535 || pads[i] > 65535 || pads[i + 2] > 65535)
      fail(ErrorKind::kFormat, "expected positive kernel_shape, strides and dilations, found others");
  }
  return window;
}

Dims pooled_dims(const Window& window, const Dims& in) {
  Dims out = in;
  for (size_t i = 0; i < 2; ++i) {
    const int64_t room =
        in[i + 2] + window.pad_begin[i] + window.pad_end[i] - window.dilation[i] * (window.kernel[i] - 1) - 1;
    if (room < 0) fail(ErrorKind::kFormat, "expected a map of at least the window's size, found ", to_string(in));
    out[i + 2] = room / window.stride[i] + 1;
  }
  return out;
}

// Calls body(value) for every element of the window at (oy, ox) that lies on the map.
template <typename Body>
void for_each_tap(const Window& w, const double* plane, int64_t height, int64_t width, int64_t oy, int64_t ox,
                  const Body& body) {
  for (int64_t ky = 0; ky < w.kernel[0]; ++ky) {
    const int64_t y = oy * w.stride[0] - w.pad_begin[0] + ky * w.dilation[0];
    if (y < 0 || y >= height) continue;
    for (int64_t kx = 0; kx < w.kernel[1]; ++kx) {
      const int64_t x = ox * w.stride[1] - w.pad_begin[1] + kx * w.dilation[1];
      if (x >= 0 && x < width) body(plane[y * width + x]);
    }
  }
}

template <typename Reduce>
Array pool(const Window& window, const Array& in, const Reduce& reduce) {
  in.reals();
  Array out = make_array(in.type, pooled_dims(window, in.dims));
  const int64_t planes = in.dims[0] * in.dims[1];
  double* write = out.real.data();
  for (int64_t plane = 0; plane < planes; ++plane) {
    const double* read = in.real.data() + plane * in.dims[2] * in.dims[3];
    for (int64_t y = 0; y < out.dims[2]; ++y)
      for (int64_t x = 0; x < out.dims[3]; ++x) *write++ = reduce(read, y, x);
  }
  return out;
}

std::vector<Array> evaluate_max_pool(const Node& node, const ArrayRefs& inputs, const EvaluationContext&) {
  const Array& in = *inputs[0];
  const Window window = read_window(node, in);
  return {pool(window, in, [&](const double* plane, int64_t y, int64_t x) {
    double best = -std::numeric_limits<double>::infinity();
    for_each_tap(window, plane, in.dims[2], in.dims[3], y, x, [&](double v) { best = std::max(best, v); });
    return best;
  })};
}

std::vector<Array> evaluate_average_pool(const Node& node, const ArrayRefs& inputs, const EvaluationContext&) {
  const Array& in = *inputs[0];
  const Window window = read_window(node, in);
  const bool whole_window = node.integer("count_include_pad", 0) != 0;
  return {pool(window, in, [&](const double* plane, int64_t y, int64_t x) {
    double sum = 0;
    int64_t count = 0;
    for_each_tap(window, plane, in.dims[2], in.dims[3], y, x, [&](double v) {
      sum += v;
      ++count;
    });
    if (whole_window) count = window.kernel[0] * window.kernel[1];
    return count == 0 ? 0.0 : sum / static_cast<double>(count);
  })};
}

// One axis of a linear resize with half-pixel centres: two taps, clamped at the border.
struct LinearTap {
  int64_t low = 0, high = 0;
  double weight = 0;  // of high
};

std::vector<LinearTap> linear_taps(int64_t in, int64_t out) {
  std::vector<LinearTap> taps(static_cast<size_t>(out));
  const double scale = static_cast<double>(in) / static_cast<double>(out);
  for (int64_t i = 0; i < out; ++i) {
    const double x = std::min(std::max((static_cast<double>(i) + 0.5) * scale - 0.5, 0.0), static_cast<double>(in - 1));
    const int64_t low = static_cast<int64_t>(x);
    taps[static_cast<size_t>(i)] = {low, std::min(low + 1, in - 1), x - static_cast<double>(low)};
  }
  return taps;
}

Dims resized_dims(const Node& node, const ArrayRefs& inputs) {
  const Dims sizes = whole_parameter(node, inputs, 3, "sizes", {});
  const Dims& in = inputs[0]->dims;
  if (in.size() != 4 || sizes.size() != 4 || sizes[0] != in[0] || sizes[1] != in[1] || sizes[2] < 1 || sizes[3] < 1 ||
      in[2] < 1 || in[3] < 1)
    fail(ErrorKind::kUnsupported, "expected sizes of an NCHW map that keep N and C of ", to_string(in), ", found ",
         to_string(sizes));
  return sizes;
}

std::vector<Array> evaluate_resize(const Node& node, const ArrayRefs& inputs, const EvaluationContext&) {
  const Array& in = *inputs[0];
  in.reals();
  if (node.text("mode", "nearest") != "linear" ||
      node.text("coordinate_transformation_mode", "half_pixel") != "half_pixel" || node.integer("antialias", 0) != 0 ||
      node.integer("exclude_outside", 0) != 0 || node.text("keep_aspect_ratio_policy", "stretch") != "stretch" ||
      node.has("axes"))
    fail(ErrorKind::kUnsupported, "expected mode linear, half_pixel, no antialias, found mode ",
         node.text("mode", "nearest"), ", ", node.text("coordinate_transformation_mode", "half_pixel"), ", antialias ",
         node.integer("antialias", 0));
  Array out = make_array(in.type, resized_dims(node, inputs));
  const auto rows = linear_taps(in.dims[2], out.dims[2]);
  const auto columns = linear_taps(in.dims[3], out.dims[3]);
  double* write = out.real.data();
  for (int64_t plane = 0; plane < in.dims[0] * in.dims[1]; ++plane) {
    const double* read = in.real.data() + plane * in.dims[2] * in.dims[3];
    for (const LinearTap& row : rows) {
      const double* top = read + row.low * in.dims[3];
      const double* bottom = read + row.high * in.dims[3];
      for (const LinearTap& column : columns) {
        const double upper = top[column.low] + (top[column.high] - top[column.low]) * column.weight;
        const double lower = bottom[column.low] + (bottom[column.high] - bottom[column.low]) * column.weight;
        *write++ = upper + (lower - upper) * row.weight;
      }
    }
  }
  return {std::move(out)};
}

// One sample of RoiAlign: position and weights of its four taps, the same for all channels.
struct Sample {
  int64_t at[4] = {0, 0, 0, 0};
  double weight[4] = {0, 0, 0, 0};  // all 0 outside of the map
};

Sample bilinear_sample(double y, double x, int64_t height, int64_t width) {
  Sample sample;
  if (!(y >= -1 && y <= static_cast<double>(height) && x >= -1 && x <= static_cast<double>(width))) return sample;
  y = std::min(std::max(y, 0.0), static_cast<double>(height - 1));
  x = std::min(std::max(x, 0.0), static_cast<double>(width - 1));
  const int64_t y0 = static_cast<int64_t>(y), x0 = static_cast<int64_t>(x);
  const int64_t y1 = std::min(y0 + 1, height - 1), x1 = std::min(x0 + 1, width - 1);
  const double fy = y - static_cast<double>(y0), fx = x - static_cast<double>(x0);
  sample.at[0] = y0 * width + x0;
  sample.at[1] = y0 * width + x1;
  sample.at[2] = y1 * width + x0;
  sample.at[3] = y1 * width + x1;
  sample.weight[0] = (1 - fy) * (1 - fx);
  sample.weight[1] = (1 - fy) * fx;
  sample.weight[2] = fy * (1 - fx);
  sample.weight[3] = fy * fx;
  return sample;
}

struct RoiAlignSettings {
  int64_t height = 0, width = 0;  // cells
  int64_t samples = 0;            // per cell along an axis
  double scale = 1;               // canvas to map
  double shift = 0;               // 0.5 for half_pixel
};

RoiAlignSettings roi_align_settings(const Node& node) {
  RoiAlignSettings settings;
  settings.height = node.integer("output_height", 1);
  settings.width = node.integer("output_width", 1);
  settings.samples = node.integer("sampling_ratio", 0);
  settings.scale = node.real("spatial_scale", 1.0);
  const std::string mode = node.text("coordinate_transformation_mode", "half_pixel");
  settings.shift = mode == "half_pixel" ? 0.5 : 0.0;
  if (mode != "half_pixel" && mode != "output_half_pixel")
    fail(ErrorKind::kFormat, "coordinate_transformation_mode: expected half_pixel, found ", mode);
  if (node.text("mode", "avg") != "avg" || settings.samples < 1 || settings.samples > 64)
    fail(ErrorKind::kUnsupported, "expected mode avg and sampling_ratio 1 to 64, found ", node.text("mode", "avg"),
         " and ", settings.samples);
  if (settings.height < 1 || settings.width < 1 || settings.height > 4096 || settings.width > 4096)
    fail(ErrorKind::kFormat, "expected an output of 1 to 4096 cells, found ", settings.height, " x ", settings.width);
  return settings;
}

std::vector<Sample> roi_samples(const RoiAlignSettings& s, const double* box, int64_t height, int64_t width) {
  const double x0 = box[0] * s.scale - s.shift, y0 = box[1] * s.scale - s.shift;
  double roi_w = box[2] * s.scale - s.shift - x0, roi_h = box[3] * s.scale - s.shift - y0;
  if (s.shift == 0) {  // only the older mode has a minimum size
    roi_w = std::max(roi_w, 1.0);
    roi_h = std::max(roi_h, 1.0);
  }
  const double cell_w = roi_w / static_cast<double>(s.width), cell_h = roi_h / static_cast<double>(s.height);
  const double ratio = static_cast<double>(s.samples);
  std::vector<Sample> samples;
  for (int64_t cy = 0; cy < s.height; ++cy)
    for (int64_t cx = 0; cx < s.width; ++cx)
      for (int64_t sy = 0; sy < s.samples; ++sy)
        for (int64_t sx = 0; sx < s.samples; ++sx)
          samples.push_back(bilinear_sample(
              y0 + (static_cast<double>(cy) + (static_cast<double>(sy) + 0.5) / ratio) * cell_h,
              x0 + (static_cast<double>(cx) + (static_cast<double>(sx) + 0.5) / ratio) * cell_w, height, width));
  return samples;
}

std::vector<Array> evaluate_roi_align(const Node& node, const ArrayRefs& inputs, const EvaluationContext&) {
  const Array& in = *inputs[0];
  const std::vector<double>& boxes = inputs[1]->reals();
  const std::vector<int64_t>& batch = inputs[2]->wholes();
  const RoiAlignSettings settings = roi_align_settings(node);
  const int64_t rois = static_cast<int64_t>(batch.size());
  in.reals();
  if (in.dims.size() != 4 || in.dims[2] < 1 || in.dims[3] < 1 || inputs[1]->dims != Dims{rois, 4})
    fail(ErrorKind::kFormat, "expected an NCHW map and one box per batch index, found ", to_string(in.dims), " and ",
         to_string(inputs[1]->dims));
  Array out = make_array(in.type, {rois, in.dims[1], settings.height, settings.width});
  const size_t per_cell = static_cast<size_t>(settings.samples * settings.samples);
  double* write = out.real.data();
  for (int64_t roi = 0; roi < rois; ++roi) {
    const int64_t image = batch[static_cast<size_t>(roi)];
    if (image < 0 || image >= in.dims[0])
      fail(ErrorKind::kFormat, "expected a batch index below ", in.dims[0], ", found ", image);
    const auto samples = roi_samples(settings, &boxes[static_cast<size_t>(roi) * 4], in.dims[2], in.dims[3]);
    for (int64_t channel = 0; channel < in.dims[1]; ++channel) {
      const double* plane = in.real.data() + (image * in.dims[1] + channel) * in.dims[2] * in.dims[3];
      for (size_t first = 0; first < samples.size(); first += per_cell) {
        double sum = 0;
        for (size_t i = first; i < first + per_cell; ++i)
          for (int tap = 0; tap < 4; ++tap) sum += samples[i].weight[tap] * plane[samples[i].at[tap]];
        *write++ = sum / static_cast<double>(per_cell);
      }
    }
  }
  return {std::move(out)};
}

}  // namespace

void add_pooling_operators(OperatorTable& table) {
  const std::vector<std::string> window = {"auto_pad", "ceil_mode", "dilations", "kernel_shape", "pads", "strides"};
  std::vector<std::string> max_attributes = window, average_attributes = window;
  max_attributes.push_back("storage_order");
  average_attributes.push_back("count_include_pad");
  table["MaxPool"] = {1, 1, 1, max_attributes, evaluate_max_pool};
  table["AveragePool"] = {1, 1, 1, average_attributes, evaluate_average_pool};
  table["Resize"] = {1,
                     4,
                     1,
                     {"antialias", "axes", "coordinate_transformation_mode", "cubic_coeff_a", "exclude_outside",
                      "extrapolation_value", "keep_aspect_ratio_policy", "mode", "nearest_mode"},
                     evaluate_resize};
  table["RoiAlign"] = {
      3,
      3,
      1,
      {"coordinate_transformation_mode", "mode", "output_height", "output_width", "sampling_ratio", "spatial_scale"},
      evaluate_roi_align};
}

}  // namespace sln::importer
