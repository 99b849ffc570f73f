#include "tests/cases/conv_cases.h"

#include "tests/cases/op_case.h"

namespace sln_test {
namespace {

constexpr auto kNone = sln::Activation::kNone;
constexpr auto kRelu = sln::Activation::kRelu;
constexpr auto kRelu6 = sln::Activation::kRelu6;

const std::vector<ConvRow> kRows = {
    // Tiles, panels and their tails.
    {1, 1, 1, 1, 1, 1, 1, 0, 1},
    {1, 3, 4, 16, 32, 1, 1, 0, 1},
    {1, 5, 5, 7, 5, 1, 1, 0, 1, kRelu},
    {1, 1, 12, 3, 64, 1, 1, 0, 1},
    {1, 1, 13, 3, 33, 1, 1, 0, 1},
    {1, 1, 11, 3, 8, 1, 1, 0, 1},
    {1, 5, 7, 20, 17, 1, 1, 0, 1, kRelu6},
    {2, 9, 5, 19, 48, 1, 1, 0, 1, kNone, false},
    {3, 4, 7, 33, 80, 3, 1, 1, 1, kRelu},
    // The whole window in the padding of some output, maps smaller than the window, no padding.
    {1, 1, 1, 8, 16, 3, 1, 1, 1},
    {1, 2, 1, 5, 16, 3, 1, 3, 1},
    {1, 7, 6, 5, 21, 3, 1, 0, 1, kRelu},
    {1, 3, 3, 4, 16, 5, 1, 4, 2},
    // Strides, dilations, windows of other sizes.
    {1, 9, 11, 10, 16, 3, 2, 1, 1, kRelu},
    {2, 8, 8, 12, 40, 3, 2, 1, 1},
    {1, 10, 9, 12, 24, 3, 1, 2, 2, kRelu},
    {1, 11, 13, 6, 16, 3, 2, 2, 2},
    {1, 9, 9, 6, 32, 1, 2, 0, 1},
    {1, 9, 9, 4, 32, 1, 3, 0, 1},
    {1, 9, 10, 6, 16, 2, 1, 0, 1},
    {1, 9, 10, 6, 16, 5, 2, 1, 1},
    // The stem: three channels of four, with and without the fourth.
    {1, 21, 19, 3, 64, 7, 2, 3, 1, kRelu, true, false, false, 1},
    {1, 21, 19, 3, 64, 7, 2, 3, 1, kRelu},
    {1, 15, 15, 3, 32, 3, 2, 0, 1, kRelu6, true, false, false, 1, 0, 0, 8, 8},
    {1, 6, 6, 2, 16, 3, 1, 1, 1, kRelu, true, false, false, 6},
    {1, 6, 6, 1, 16, 3, 1, 1, 1, kRelu, true, false, false, 3},
    // Distances between pixels.
    {2, 6, 7, 21, 20, 3, 1, 1, 1, kRelu, true, false, false, 11, 16},
    {1, 6, 7, 21, 20, 1, 1, 0, 1, kRelu, true, true, false, 1, 3, 5},
    // Residuals, in place and not.
    {1, 6, 7, 16, 64, 1, 1, 0, 1, kRelu, true, true},
    {1, 6, 7, 16, 64, 1, 1, 0, 1, kRelu, true, true, true},
    {2, 5, 7, 16, 37, 1, 1, 0, 1, kNone, false, true},
    {2, 5, 7, 130, 70, 3, 1, 1, 1, kRelu, true, true, true, 0, 5},
    {1, 5, 7, 16, 5, 1, 1, 0, 1, kRelu6, false, true},
    // Several depth blocks, groups of panels and super-blocks.
    {1, 5, 5, 384, 32, 1, 1, 0, 1},
    {1, 5, 5, 385, 48, 1, 1, 0, 1, kRelu},
    {1, 4, 4, 1030, 40, 1, 1, 0, 1, kRelu, true, true},
    {2, 7, 9, 96, 600, 3, 1, 1, 1, kRelu},
    {1, 13, 20, 65, 272, 3, 1, 1, 1},
    {1, 3, 5, 300, 1100, 1, 1, 0, 1, kRelu, true, true},
    // Windows that are read through pointers: few panels, long taps.
    {1, 5, 5, 32, 5, 3, 1, 1, 1, kRelu},
    {2, 9, 13, 40, 64, 3, 1, 1, 1, kRelu, true, true},
    {1, 9, 13, 256, 5, 3, 1, 1, 1, kRelu, true, false, false, 16},
    {1, 11, 12, 64, 24, 3, 2, 1, 1, kRelu6, false},
    {1, 12, 11, 33, 16, 3, 1, 2, 2, kNone, true, true, true, 0, 16},
    {1, 9, 9, 48, 10, 5, 1, 2, 1},
    {1, 14, 9, 32, 9, 7, 2, 3, 1},
    // A few output channels: vectors of pixels; rows longer than a patch, patches lower than the map, every number of
    // channels, windows of other sizes.
    {2, 28, 28, 64, 5, 3, 1, 1, 1, kNone, true, true, true},
    {1, 3, 70, 24, 5, 3, 1, 1, 1, kRelu6, true, true},
    {1, 9, 33, 255, 3, 3, 1, 1, 1, kRelu},
    {1, 6, 17, 341, 8, 3, 1, 1, 1},
    {1, 6, 17, 342, 8, 3, 1, 1, 1},
    {3, 5, 20, 13, 1, 3, 1, 0, 1, kRelu},
    {1, 5, 41, 6, 2, 2, 1, 1, 1, kRelu, false},
    {1, 4, 16, 7, 4, 5, 1, 2, 1, kRelu, true, true, false, 3, 5, 2},
    {2, 7, 36, 3, 6, 13, 1, 6, 1, kRelu},
    {1, 16, 15, 2, 7, 14, 1, 2, 1, kRelu},
    {1, 4, 4, 6, 7, 3, 1, 1, 1, kRelu, true, false, false, 0, 0, 0, 6, 7},
    // A last panel of 1 to 8 channels after wide ones.
    {1, 5, 6, 12, 37, 1, 1, 0, 1, kRelu, true, true},
    {1, 5, 6, 70, 66, 3, 1, 1, 1, kRelu6, true, true, true},
    {1, 3, 5, 400, 72, 1, 1, 0, 1},
    // A map so small that threads share its panels.
    {1, 1, 1, 40, 500, 3, 1, 1, 1, kRelu},
    {1, 2, 2, 12, 300, 1, 1, 0, 1},
    // Outputs that the map does not fill.
    {1, 4, 4, 6, 16, 3, 1, 1, 1, kRelu, true, false, false, 0, 0, 0, 6, 7},
    // A batch with more room than items, from none of them on.
    {7, 14, 14, 29, 20, 3, 1, 1, 1, kRelu, true, false, false, 3, 0, 0, 0, 0, 5},
    {7, 5, 6, 32, 160, 1, 1, 0, 1, kRelu, true, true, true, 0, 0, 0, 0, 0, 0},
    {7, 5, 6, 32, 160, 1, 1, 0, 1, kRelu, true, true, true, 0, 0, 0, 0, 0, 1},
    {7, 5, 6, 32, 160, 1, 1, 0, 1, kRelu, true, true, true, 0, 0, 0, 0, 0, 7},
    // Buffers that are not aligned.
    {2, 5, 6, 12, 37, 3, 1, 1, 1, kRelu6, true, true, true, 0, 0, 0, 0, 0, kAll, 1},
    {2, 5, 6, 12, 37, 3, 1, 1, 1, kRelu6, true, true, false, 0, 0, 0, 0, 0, kAll, 2},
    {1, 9, 8, 16, 64, 1, 1, 0, 1, kNone, true, false, false, 0, 0, 0, 0, 0, kAll, 3},
};

ConvRow random_row(Random& random) {
  ConvRow c{};
  c.batch = 1 + random.below(3);
  c.h = 1 + random.below(9);
  c.w = 1 + random.below(14);
  c.in = 1 + random.below(random.below(2) == 0 ? 5 : 70);
  c.out = 1 + random.below(random.below(4) == 0 ? 8 : 100);
  c.kernel = 1 + random.below(4);
  c.stride = 1 + random.below(3);
  c.dilation = 1 + random.below(2);
  c.pad = random.below(4);
  const int reach = c.dilation * (c.kernel - 1) + 1;
  // Padded until the window fits.
  c.pad = std::max(c.pad, (reach - std::min(c.h, c.w) + 1) / 2);
  c.activation = static_cast<sln::Activation>(random.below(3));
  c.bias = random.below(3) != 0;
  c.residual = random.below(2) != 0;
  c.in_place = c.residual && random.below(2) != 0;
  c.extra_src = random.below(2) * random.below(9);
  c.extra_dst = random.below(2) * random.below(40);
  c.extra_residual = random.below(2) * random.below(9);
  c.used = random.below(2) == 0 ? kAll : random.below(c.batch + 1);
  c.shift = random.below(2) * random.below(4);
  return c;
}

std::vector<ConvRow> rows() {
  std::vector<ConvRow> all = kRows;
  all.push_back({0, 4, 4, 8, 16, 3, 1, 1, 1});    // no room
  all.push_back({1, 9, 8, 2, 5, 33, 1, 20, 1});   // a large window
  all.push_back({1, 19, 17, 5, 20, 3, 4, 2, 3});  // far steps, far taps
  Random random(7);
  for (int i = 0; i < 40; ++i) all.push_back(random_row(random));
  return all;
}

std::string text(const ConvRow& c) {
  return words(c.batch, "x", c.h, "x", c.w, c.in, "->", c.out, "kernel", c.kernel, "stride", c.stride, "pad", c.pad,
               "dilation", c.dilation, "activation", static_cast<int>(c.activation), "bias", c.bias, "residual",
               c.residual, c.in_place, "extra", c.extra_src, c.extra_dst, c.extra_residual, "used", c.used, "shift",
               c.shift);
}

// A square map of the network, as its layers are.
Named<ConvRow> layer(const char* name, int batch, int side, int in, int src_stride, int out, int kernel, int stride,
                     int dilation, bool residual) {
  const int pad = dilation * (kernel / 2);
  return {name,
          {batch, side, side, in, out, kernel, stride, pad, dilation, kRelu, true, residual, false, src_stride - in}};
}

// r50 at side 1024, demo's heads, EfficientNet-lite0 at side 256.
std::vector<Named<ConvRow>> layers() {
  return {
      layer("stem 7x7/2 3->64 @1024", 1, 1024, 3, 4, 64, 7, 2, 1, false),
      layer("1x1 64->256 +res @256", 1, 256, 64, 64, 256, 1, 1, 1, true),
      layer("1x1 256->64 @256", 1, 256, 256, 256, 64, 1, 1, 1, false),
      layer("3x3 64->64 @256", 1, 256, 64, 64, 64, 3, 1, 1, false),
      layer("3x3/2 128->128 @256", 1, 256, 128, 128, 128, 3, 2, 1, false),
      layer("1x1/2 256->512 @256", 1, 256, 256, 256, 512, 1, 2, 1, false),
      layer("1x1 512->128 @128", 1, 128, 512, 512, 128, 1, 1, 1, false),
      layer("3x3 128->128 @128", 1, 128, 128, 128, 128, 3, 1, 1, false),
      layer("1x1 128->512 +res @128", 1, 128, 128, 128, 512, 1, 1, 1, true),
      layer("1x1 1024->256 @64", 1, 64, 1024, 1024, 256, 1, 1, 1, false),
      layer("3x3 256->256 @64", 1, 64, 256, 256, 256, 3, 1, 1, false),
      layer("1x1 256->1024 +res @64", 1, 64, 256, 256, 1024, 1, 1, 1, true),
      layer("1x1 2048->512 @32", 1, 32, 2048, 2048, 512, 1, 1, 1, false),
      layer("3x3 d2 512->512 @32", 1, 32, 512, 512, 512, 3, 1, 2, false),
      layer("1x1 512->2048 +res @32", 1, 32, 512, 512, 2048, 1, 1, 1, true),
      layer("3x3 256->256 @256", 1, 256, 256, 256, 256, 3, 1, 1, false),
      layer("3x3 256->5 @256", 1, 256, 256, 256, 5, 3, 1, 1, false),
      layer("3x3 261->512 @64", 1, 64, 261, 272, 512, 3, 1, 1, false),
      layer("3x3 261->256 @100x28", 100, 28, 261, 272, 256, 3, 1, 1, false),
      layer("3x3 262->256 @100x28", 100, 28, 262, 272, 256, 3, 1, 1, false),
      layer("3x3 256->256 @100x28", 100, 28, 256, 256, 256, 3, 1, 1, false),
      layer("3x3 256->5 @100x28", 100, 28, 256, 256, 5, 3, 1, 1, false),
      layer("3x3 69->64 @100x28", 100, 28, 69, 80, 64, 3, 1, 1, false),
      layer("3x3 64->64 @100x28", 100, 28, 64, 64, 64, 3, 1, 1, false),
      layer("3x3 64->5 @100x28", 100, 28, 64, 64, 5, 3, 1, 1, false),
      layer("lite stem 3x3/2 3->32 @256", 1, 256, 3, 4, 32, 3, 2, 1, false),
      layer("lite 1x1 32->16 @128", 1, 128, 32, 32, 16, 1, 1, 1, false),
      layer("lite 1x1 16->96 @128", 1, 128, 16, 16, 96, 1, 1, 1, false),
      layer("lite 1x1 96->24 @64", 1, 64, 96, 96, 24, 1, 1, 1, false),
      layer("lite 1x1 24->144 @64", 1, 64, 24, 32, 144, 1, 1, 1, false),
      layer("lite 1x1 240->40 +res @32", 1, 32, 240, 240, 40, 1, 1, 1, true),
      layer("lite 1x1 80->480 @16", 1, 16, 80, 80, 480, 1, 1, 1, false),
      layer("lite 1x1 672->112 +res @16", 1, 16, 672, 672, 112, 1, 1, 1, true),
      layer("lite 1x1 1152->192 @8", 1, 8, 1152, 1152, 192, 1, 1, 1, false),
  };
}

}  // namespace

OpProblem conv_problem(const ConvRow& c, bool nasty, uint32_t seed) {
  // About one nasty number in a chain, so that there are sums with and without it.
  Maker maker(seed, {-1, 1, nasty ? 10 + 2 * c.kernel * c.kernel * c.in : 0}, c.shift);
  sln::ConvOp op;
  op.desc = {c.in, c.out, c.kernel, c.stride, c.pad, c.dilation, c.activation};
  const int reach = c.dilation * (c.kernel - 1) + 1;
  op.batch = maker.items(c.batch, c.used);
  op.in_h = c.h;
  op.in_w = c.w;
  op.src_stride = c.in + c.extra_src;
  op.out_h = c.out_h != 0 ? c.out_h : (c.h + 2 * c.pad - reach) / c.stride + 1;
  op.out_w = c.out_w != 0 ? c.out_w : (c.w + 2 * c.pad - reach) / c.stride + 1;
  op.dst_stride = sln::ceil16(c.out) + c.extra_dst;
  op.residual_stride = c.in_place ? op.dst_stride : c.out + c.extra_residual;
  if (c.residual && !c.in_place) op.residual = Maker::wanted<float>();
  maker.buffers(op);
  if (c.in_place) {
    op.residual = op.dst;
    maker.fill(op.dst, {op.batch, int64_t{op.out_h} * op.out_w, c.out, op.dst_stride});
  }
  op.weights = maker.weights(int64_t{c.out} * c.in * c.kernel * c.kernel, c.bias ? c.out : 0);
  return {op, maker.memory};
}

template <>
OpCases cases_of<sln::ConvOp>() {
  return {both(rows(), text, conv_problem), timed(layers(), conv_problem)};
}

}  // namespace sln_test
