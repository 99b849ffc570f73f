#include <algorithm>

#include "engine/error.h"
#include "kernels/conv.h"
#include "tests/cases/op_case.h"

namespace sln_test {
namespace {

using sln::Activation;
using sln::ceil16;

constexpr Activation kNone = Activation::kNone;
constexpr Activation kRelu = Activation::kRelu;
constexpr Activation kRelu6 = Activation::kRelu6;

struct Case {
  int batch, h, w;  // of the map
  int in, out;      // channels
  int kernel, stride, pad, dilation;
  Activation activation = kNone;
  bool bias = true;
  bool residual = false;
  bool in_place = false;     // the residual is dst itself
  int extra_src = 0;         // src_stride - in
  int extra_dst = 0;         // dst_stride - ceil16(out)
  int extra_residual = 0;    // residual_stride - ceil16(out)
  int out_h = 0, out_w = 0;  // 0: as the usual formula has it
  int shift = 0;             // floats from the alignment of src and dst
};

std::string name_of(const Case& c) {
  return sln::concat("conv ", c.batch, "x", c.h, "x", c.w, " ", c.in, "->", c.out, " kernel ", c.kernel, " stride ",
                     c.stride, " pad ", c.pad, " dilation ", c.dilation, " activation ", static_cast<int>(c.activation),
                     " bias ", c.bias, " residual ", c.residual, c.in_place, " extra ", c.extra_src, " ", c.extra_dst,
                     " ", c.extra_residual, " shift ", c.shift);
}

OpCase make(const Case& c, uint32_t seed, int used, int nasty) {
  OpCase made;
  made.memory = std::make_shared<CaseMemory>(seed);
  CaseMemory& memory = *made.memory;
  const Values values = {-1, 1, nasty};
  const int items = used_of(c.batch, used);
  const int reach = c.dilation * (c.kernel - 1) + 1;
  sln::ConvOp op;
  op.desc = {c.in, c.out, c.kernel, c.stride, c.pad, c.dilation, c.activation};
  op.batch = items_of(memory, c.batch, used);
  op.in_h = c.h, op.in_w = c.w;
  op.src_stride = c.in + c.extra_src;
  const int64_t in_pixels = int64_t{c.h} * c.w;
  op.src = memory.rows(c.batch * in_pixels, c.in, op.src_stride, values, items * in_pixels, c.shift);
  op.out_h = c.out_h != 0 ? c.out_h : (c.h + 2 * c.pad - reach) / c.stride + 1;
  op.out_w = c.out_w != 0 ? c.out_w : (c.w + 2 * c.pad - reach) / c.stride + 1;
  op.dst_stride = ceil16(c.out) + c.extra_dst;
  const int64_t out_pixels = int64_t{op.out_h} * op.out_w;
  if (c.in_place) {
    op.dst = memory.rows(c.batch * out_pixels, ceil16(c.out), op.dst_stride, values, items * out_pixels, c.shift);
    op.residual = op.dst, op.residual_stride = op.dst_stride;
  } else {
    op.dst = memory.floats((c.batch * out_pixels - 1) * op.dst_stride + ceil16(c.out), c.shift);
    op.residual_stride = ceil16(c.out) + c.extra_residual;
    if (c.residual)
      op.residual = memory.rows(c.batch * out_pixels, c.out, op.residual_stride, values, items * out_pixels);
  }
  made.weights = memory.fill(int64_t{c.out} * c.in * c.kernel * c.kernel, values);
  if (c.bias) made.bias = memory.fill(c.out, values);
  made.op = op;
  return made;
}

const std::vector<Case> kCases = {
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
    // Maps that are not aligned.
    {2, 5, 6, 12, 37, 3, 1, 1, 1, kRelu6, true, true, true, 0, 0, 0, 0, 0, 1},
    {2, 5, 6, 12, 37, 3, 1, 1, 1, kNone, true, true, false, 0, 0, 0, 0, 0, 2},
    {1, 5, 6, 13, 64, 1, 1, 0, 1, kRelu, true, true, true, 3, 0, 0, 0, 0, 3},
};

Case random_case(Random& random) {
  Case c{};
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
  c.activation = static_cast<Activation>(random.below(3));
  c.bias = random.below(3) != 0;
  c.residual = random.below(2) != 0;
  c.in_place = c.residual && random.below(2) != 0;
  c.extra_src = random.below(2) * random.below(9);
  c.extra_dst = random.below(2) * random.below(40);
  c.extra_residual = random.below(2) * random.below(9);
  return c;
}

// The convolutions of r50 at side 1024, of demo's heads and of EfficientNet-lite0 at side 256.
struct Timed {
  const char* name;
  int batch, side;          // items, pixels of a map's side
  int in, src_stride, out;  // channels, floats, channels
  int kernel, stride, dilation;
  bool residual;
};

constexpr Timed kTimed[] = {
    {"stem 7x7/2 3->64 @1024", 1, 1024, 3, 4, 64, 7, 2, 1, false},
    {"1x1 64->256 +res @256", 1, 256, 64, 64, 256, 1, 1, 1, true},
    {"1x1 256->64 @256", 1, 256, 256, 256, 64, 1, 1, 1, false},
    {"3x3 64->64 @256", 1, 256, 64, 64, 64, 3, 1, 1, false},
    {"3x3/2 128->128 @256", 1, 256, 128, 128, 128, 3, 2, 1, false},
    {"1x1/2 256->512 @256", 1, 256, 256, 256, 512, 1, 2, 1, false},
    {"1x1 512->128 @128", 1, 128, 512, 512, 128, 1, 1, 1, false},
    {"3x3 128->128 @128", 1, 128, 128, 128, 128, 3, 1, 1, false},
    {"1x1 128->512 +res @128", 1, 128, 128, 128, 512, 1, 1, 1, true},
    {"1x1 1024->256 @64", 1, 64, 1024, 1024, 256, 1, 1, 1, false},
    {"3x3 256->256 @64", 1, 64, 256, 256, 256, 3, 1, 1, false},
    {"1x1 256->1024 +res @64", 1, 64, 256, 256, 1024, 1, 1, 1, true},
    {"1x1 2048->512 @32", 1, 32, 2048, 2048, 512, 1, 1, 1, false},
    {"3x3 d2 512->512 @32", 1, 32, 512, 512, 512, 3, 1, 2, false},
    {"1x1 512->2048 +res @32", 1, 32, 512, 512, 2048, 1, 1, 1, true},
    {"3x3 256->256 @256", 1, 256, 256, 256, 256, 3, 1, 1, false},
    {"3x3 256->5 @256", 1, 256, 256, 256, 5, 3, 1, 1, false},
    {"3x3 261->512 @64", 1, 64, 261, 272, 512, 3, 1, 1, false},
    {"3x3 261->256 @100x28", 100, 28, 261, 272, 256, 3, 1, 1, false},
    {"3x3 262->256 @100x28", 100, 28, 262, 272, 256, 3, 1, 1, false},
    {"3x3 256->256 @100x28", 100, 28, 256, 256, 256, 3, 1, 1, false},
    {"3x3 256->5 @100x28", 100, 28, 256, 256, 5, 3, 1, 1, false},
    {"3x3 69->64 @100x28", 100, 28, 69, 80, 64, 3, 1, 1, false},
    {"3x3 64->64 @100x28", 100, 28, 64, 64, 64, 3, 1, 1, false},
    {"3x3 64->5 @100x28", 100, 28, 64, 64, 5, 3, 1, 1, false},
    {"lite stem 3x3/2 3->32 @256", 1, 256, 3, 4, 32, 3, 2, 1, false},
    {"lite 1x1 32->16 @128", 1, 128, 32, 32, 16, 1, 1, 1, false},
    {"lite 1x1 16->96 @128", 1, 128, 16, 16, 96, 1, 1, 1, false},
    {"lite 1x1 96->24 @64", 1, 64, 96, 96, 24, 1, 1, 1, false},
    {"lite 1x1 24->144 @64", 1, 64, 24, 32, 144, 1, 1, 1, false},
    {"lite 1x1 240->40 +res @32", 1, 32, 240, 240, 40, 1, 1, 1, true},
    {"lite 1x1 80->480 @16", 1, 16, 80, 80, 480, 1, 1, 1, false},
    {"lite 1x1 672->112 +res @16", 1, 16, 672, 672, 112, 1, 1, 1, true},
    {"lite 1x1 1152->192 @8", 1, 8, 1152, 1152, 192, 1, 1, 1, false},
};

Case case_of(const Timed& t) {
  Case c{t.batch, t.side, t.side, t.in, t.out, t.kernel, t.stride, t.dilation * (t.kernel / 2), t.dilation, kRelu};
  c.residual = t.residual;
  c.extra_src = t.src_stride - t.in;
  return c;
}

// With all items, and ordinary values; and with some of them in use, and nasty values: about one in a chain, so that
// there are sums with and without it.
void add(std::vector<CaseRow>& rows, const Case& c) {
  const auto seed = static_cast<uint32_t>(rows.size() + 1);
  const int used = static_cast<int>(seed / 2) % (c.batch + 1);
  const int nasty = 10 + 2 * c.kernel * c.kernel * c.in;
  rows.push_back({name_of(c), [=] { return make(c, seed, kAllItems, 0); }});
  rows.push_back({sln::concat(name_of(c), ", used ", used, ", nasty"), [=] { return make(c, seed, used, nasty); }});
}

}  // namespace

std::vector<CaseRow> conv_cases(Purpose purpose) {
  std::vector<CaseRow> rows;
  if (purpose == Purpose::kTime) {
    for (const Timed& timed : kTimed)
      rows.push_back({timed.name, [timed] { return make(case_of(timed), 1, kAllItems, 0); }});
    return rows;
  }
  for (const Case& c : kCases) add(rows, c);
  Random random(17);
  for (int i = 0; i < 60; ++i) add(rows, random_case(random));
  for (int used = 0; used <= 7; ++used) {
    const Case c = {7, 14, 14, 29, 20, 3, 1, 1, 1, kRelu, true, true, true, 3};
    rows.push_back({sln::concat(name_of(c), ", used ", used), [=] { return make(c, 3, used, 0); }});
  }
  return rows;
}

}  // namespace sln_test
