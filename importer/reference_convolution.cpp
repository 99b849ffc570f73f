// Convolution in double: the window's elements of a tile of pixels are laid out as a matrix (im2col) and multiplied
// with the weights block by block. Plain otherwise; no fused multiply-add, no reordering tricks.
#include <algorithm>
#include <cmath>
#include <thread>

#include "importer/operators.h"
#include "importer/reference_gemm.h"

namespace sln::importer {
namespace {

constexpr int64_t kTilePixels = 8 * kPanelColumns;
constexpr int64_t kTileDepth = 256;

struct Geometry {
  int64_t batch, in_c, in_h, in_w;  // input map
  int64_t out_c, out_h, out_w;      // output map
  int64_t kernel_h, kernel_w;
  int64_t stride[2], pad[2], dilation[2];
  int64_t groups;
  int64_t depth() const { return in_c / groups * kernel_h * kernel_w; }
  int64_t pixels() const { return out_h * out_w; }
};

void read_window(const Node& node, const Array& weight, Geometry& g, int64_t pad_end[2]) {
  const auto strides = node.integers("strides", {1, 1});
  const auto pads = node.integers("pads", {0, 0, 0, 0});
  const auto dilations = node.integers("dilations", {1, 1});
  const auto kernel = node.integers("kernel_shape", {weight.dims[2], weight.dims[3]});
  if (strides.size() != 2 || pads.size() != 4 || dilations.size() != 2 ||
      kernel != std::vector<int64_t>{weight.dims[2], weight.dims[3]} || node.text("auto_pad", "NOTSET") != "NOTSET")
    fail(ErrorKind::kFormat, "expected a window of the weight's shape ", to_string(weight.dims),
         " without auto_pad, found ", to_string(kernel));
  for (const auto* list : {&strides, &pads, &dilations})
    for (const int64_t value : *list)
      if (value < (list == &pads ? 0 : 1) || value > 65535)
        fail(ErrorKind::kFormat, "expected strides, pads and dilations of up to 65535, found ", value);
  for (size_t i = 0; i < 2; ++i) {
    g.stride[i] = strides[i];
    g.pad[i] = pads[i];
    g.dilation[i] = dilations[i];
    pad_end[i] = pads[i + 2];
  }
}

Geometry read_geometry(const Node& node, const Array& x, const Array& weight) {
  if (x.dims.size() != 4 || weight.dims.size() != 4)
    fail(ErrorKind::kUnsupported, "expected an NCHW map and OIHW weights, found ", to_string(x.dims), " and ",
         to_string(weight.dims));
  Geometry g{};
  g.batch = x.dims[0];
  g.in_c = x.dims[1];
  g.in_h = x.dims[2];
  g.in_w = x.dims[3];
  g.out_c = weight.dims[0];
  g.kernel_h = weight.dims[2];
  g.kernel_w = weight.dims[3];
  g.groups = node.integer("group", 1);
  int64_t pad_end[2];
  read_window(node, weight, g, pad_end);
  if (g.groups < 1 || g.in_c % g.groups != 0 || g.out_c % g.groups != 0 || weight.dims[1] != g.in_c / g.groups ||
      weight.count() == 0)
    fail(ErrorKind::kFormat, "expected weights for ", g.in_c, " channels in ", g.groups, " groups, found ",
         to_string(weight.dims));
  const int64_t room_h = g.in_h + g.pad[0] + pad_end[0] - g.dilation[0] * (g.kernel_h - 1) - 1;
  const int64_t room_w = g.in_w + g.pad[1] + pad_end[1] - g.dilation[1] * (g.kernel_w - 1) - 1;
  if (room_h < 0 || room_w < 0)
    fail(ErrorKind::kFormat, "expected a map of at least the window's size, found ", to_string(x.dims));
  g.out_h = room_h / g.stride[0] + 1;
  g.out_w = room_w / g.stride[1] + 1;
  return g;
}

// Weights of one group as panels of kPanelRows output channels: (panel, depth, kPanelRows), zero beyond the last.
std::vector<double> pack_weights(const Geometry& g, const Array& weight, int64_t group) {
  const int64_t rows = g.out_c / g.groups, depth = g.depth();
  const int64_t panels = (rows + kPanelRows - 1) / kPanelRows;
  std::vector<double> packed(static_cast<size_t>(panels * depth * kPanelRows), 0.0);
  for (int64_t row = 0; row < rows; ++row)
    for (int64_t k = 0; k < depth; ++k)
      packed[static_cast<size_t>(((row / kPanelRows) * depth + k) * kPanelRows + row % kPanelRows)] =
          weight.real[static_cast<size_t>((group * rows + row) * depth + k)];
  return packed;
}

// Scratch of one thread.
struct Tile {
  std::vector<double> columns;  // (panel, depth of the block, kPanelColumns)
  std::vector<double> sums;     // (output channels of a group rounded up to panels, kTilePixels)
};

// Window elements [k0, k1) of up to kTilePixels pixels from `first` on. `planes`: the group's input channels.
void pack_columns(const Geometry& g, const double* planes, int64_t first, int64_t k0, int64_t k1, Tile& tile) {
  const int64_t window = g.kernel_h * g.kernel_w;
  for (int64_t p = 0; p < kTilePixels; ++p) {
    double* write = tile.columns.data() + (p / kPanelColumns) * (k1 - k0) * kPanelColumns + p % kPanelColumns;
    const int64_t pixel = first + p;
    const bool inside = pixel < g.pixels();
    const int64_t y0 = pixel / g.out_w * g.stride[0] - g.pad[0], x0 = pixel % g.out_w * g.stride[1] - g.pad[1];
    for (int64_t k = k0; k < k1; ++k, write += kPanelColumns) {
      const int64_t tap = k % window;
      const int64_t y = y0 + tap / g.kernel_w * g.dilation[0], x = x0 + tap % g.kernel_w * g.dilation[1];
      const bool on_map = inside && y >= 0 && y < g.in_h && x >= 0 && x < g.in_w;
      *write = on_map ? planes[(k / window * g.in_h + y) * g.in_w + x] : 0.0;
    }
  }
}

// The same for 1x1 windows that take every pixel: rows of the map are rows of the matrix.
void pack_pointwise(const Geometry& g, const double* planes, int64_t first, int64_t k0, int64_t k1, Tile& tile) {
  for (int64_t panel = 0; panel < kTilePixels / kPanelColumns; ++panel) {
    const int64_t begin = first + panel * kPanelColumns;
    const int64_t count = std::min<int64_t>(std::max<int64_t>(g.pixels() - begin, 0), kPanelColumns);
    double* write = tile.columns.data() + panel * (k1 - k0) * kPanelColumns;
    for (int64_t k = k0; k < k1; ++k, write += kPanelColumns) {
      if (count > 0) std::copy_n(planes + k * g.pixels() + begin, count, write);
      std::fill(write + count, write + kPanelColumns, 0.0);
    }
  }
}

struct Epilogue {
  const Array* bias = nullptr;      // (out_c)
  const Array* residual = nullptr;  // as the output
  int64_t activation = 0;           // 0 none, 1 ReLU, 6 ReLU6
};

class Convolution {
 public:
  Convolution(const Geometry& g, const Array& x, const Array& weight, const Epilogue& epilogue, Array& out)
      : g_(g), x_(x), epilogue_(epilogue), out_(out) {
    for (int64_t group = 0; group < g.groups; ++group) weights_.push_back(pack_weights(g, weight, group));
    pointwise_ =
        g.kernel_h * g.kernel_w == 1 && g.stride[0] * g.stride[1] == 1 && g.in_h == g.out_h && g.in_w == g.out_w;
  }

  void run(int threads) {
    const int64_t rows = g_.out_c / g_.groups;
    const int64_t padded_rows = (rows + kPanelRows - 1) / kPanelRows * kPanelRows;
    std::vector<Tile> tiles(static_cast<size_t>(threads));
    for (Tile& tile : tiles) {
      tile.columns.resize(static_cast<size_t>(kTilePixels * std::min(kTileDepth, g_.depth())));
      tile.sums.resize(static_cast<size_t>(padded_rows * kTilePixels));
    }
    std::vector<std::thread> others;
    for (int t = 1; t < threads; ++t)
      others.emplace_back([this, t, threads, &tiles] { work(t, threads, tiles[static_cast<size_t>(t)]); });
    work(0, threads, tiles[0]);
    for (std::thread& thread : others) thread.join();
  }

 private:
  void work(int thread, int threads, Tile& tile) {
    const int64_t per_map = (g_.pixels() + kTilePixels - 1) / kTilePixels;
    for (int64_t item = thread; item < g_.batch * g_.groups * per_map; item += threads)
      run_tile(item / per_map / g_.groups, item / per_map % g_.groups, item % per_map * kTilePixels, tile);
  }

  void run_tile(int64_t image, int64_t group, int64_t first, Tile& tile) {
    const double* planes = x_.real.data() + (image * g_.in_c + group * (g_.in_c / g_.groups)) * g_.in_h * g_.in_w;
    const double* weights = weights_[static_cast<size_t>(group)].data();
    const int64_t rows = g_.out_c / g_.groups, depth = g_.depth();
    std::fill(tile.sums.begin(), tile.sums.end(), 0.0);
    for (int64_t k0 = 0; k0 < depth; k0 += kTileDepth) {
      const int64_t k1 = std::min(k0 + kTileDepth, depth);
      (pointwise_ ? pack_pointwise : pack_columns)(g_, planes, first, k0, k1, tile);
      for (int64_t row = 0; row < rows; row += kPanelRows)
        for (int64_t column = 0; column < kTilePixels; column += kPanelColumns)
          panel_(weights + row * depth + k0 * kPanelRows, tile.columns.data() + column * (k1 - k0), k1 - k0,
                 tile.sums.data() + row * kTilePixels + column, kTilePixels);
    }
    finish(image, group * rows, rows, first, tile);
  }

  void finish(int64_t image, int64_t first_row, int64_t rows, int64_t first, const Tile& tile) {
    const int64_t count = std::min(kTilePixels, g_.pixels() - first);
    for (int64_t row = 0; row < rows; ++row) {
      const size_t at = static_cast<size_t>((image * g_.out_c + first_row + row) * g_.pixels() + first);
      const double bias = epilogue_.bias ? epilogue_.bias->real[static_cast<size_t>(first_row + row)] : 0.0;
      for (int64_t i = 0; i < count; ++i) {
        double sum = tile.sums[static_cast<size_t>(row * kTilePixels + i)] + bias;
        if (epilogue_.residual) sum += epilogue_.residual->real[at + static_cast<size_t>(i)];
        out_.real[at + static_cast<size_t>(i)] = activate(sum);
      }
    }
  }

  double activate(double x) const {
    if (epilogue_.activation != 0 && !(x > 0)) return 0.0;
    return epilogue_.activation == 6 && x > 6 ? 6.0 : x;
  }

  const Geometry& g_;
  const Array& x_;
  const Epilogue& epilogue_;
  Array& out_;
  std::vector<std::vector<double>> weights_;
  bool pointwise_ = false;
  GemmPanel panel_ = gemm_panel();
};

std::vector<Array> convolve(const Node& node, const ArrayRefs& inputs, const EvaluationContext& context) {
  const Array& x = *inputs[0];
  const Array& weight = *inputs[1];
  x.reals();
  weight.reals();
  const Geometry geometry = read_geometry(node, x, weight);
  Array out = make_array(x.type, {geometry.batch, geometry.out_c, geometry.out_h, geometry.out_w});
  Epilogue epilogue;
  if (inputs.size() > 2) epilogue.bias = inputs[2];
  if (inputs.size() > 3) epilogue.residual = inputs[3];
  epilogue.activation = node.integer("activation", 0);
  if (epilogue.bias && (!is_real(epilogue.bias->type) || epilogue.bias->dims != Dims{geometry.out_c}))
    fail(ErrorKind::kFormat, "bias: expected shape [", geometry.out_c, "], found ", to_string(epilogue.bias->dims));
  if (epilogue.residual && (!is_real(epilogue.residual->type) || epilogue.residual->dims != out.dims))
    fail(ErrorKind::kFormat, "residual: expected shape ", to_string(out.dims), ", found ",
         to_string(epilogue.residual->dims));
  Convolution(geometry, x, weight, epilogue, out).run(std::max(1, context.threads));
  return {std::move(out)};
}

std::vector<Array> evaluate_batch_norm(const Node& node, const ArrayRefs& inputs, const EvaluationContext&) {
  const Array& x = *inputs[0];
  if (x.dims.size() < 2 || node.integer("training_mode", 0) != 0)
    fail(ErrorKind::kUnsupported, "expected a map and training_mode 0, found shape ", to_string(x.dims));
  for (size_t i = 1; i < 5; ++i)
    if (inputs[i]->reals().size() != static_cast<size_t>(x.dims[1]))
      fail(ErrorKind::kFormat, "input ", i, ": expected ", x.dims[1], " values, found ", to_string(inputs[i]->dims));
  const double epsilon = node.real("epsilon", 1e-5);
  Array out = make_array(x.type, x.dims);
  const size_t channels = static_cast<size_t>(x.dims[1]);
  const size_t inner = static_cast<size_t>(product(x.dims, 2, x.dims.size()));
  const std::vector<double>& in = x.reals();
  for (size_t i = 0; i < in.size(); ++i) {
    const size_t c = i / inner % channels;
    out.real[i] = (in[i] - inputs[3]->real[c]) / std::sqrt(inputs[4]->real[c] + epsilon) * inputs[1]->real[c] +
                  inputs[2]->real[c];
  }
  return {std::move(out)};
}

}  // namespace

void add_convolution_operators(OperatorTable& table) {
  const std::vector<std::string> window = {"auto_pad", "dilations", "group", "kernel_shape", "pads", "strides"};
  table["Conv"] = {2, 3, 1, window, convolve};
  table["FusedConv"] = {2, 4, 1, window, convolve};
  table["BatchNormalization"] = {5, 5, 1, {"epsilon", "momentum", "training_mode"}, evaluate_batch_norm};
}

}  // namespace sln::importer
