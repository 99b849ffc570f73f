// Vectors over pixels. Interpolation along x is done once per column and plane row (paste_prepare), so that a pixel
// costs one lerp per plane.
#include "kernels/paste.h"

#include <cmath>

#include "kernels/math/paste.h"
#include "kernels/math/semdist.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/paste.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "kernels/cpu/dispatch.h"
#include "kernels/cpu/vector_math-inl.h"

HWY_BEFORE_NAMESPACE();
namespace sln::cpu::HWY_NAMESPACE {
namespace {

using Floats = hn::ScalableTag<float>;
using Ints = hn::RebindToSigned<Floats>;

// Taps of 16 columns, as arrays.
struct ColumnTaps {
  HWY_ALIGN int32_t lo[kPasteStrip];
  HWY_ALIGN int32_t hi[kPasteStrip];
  HWY_ALIGN float t[kPasteStrip];
};

// Interpolates 16 columns from x on along x: dst (channels * P, stride), 16 floats of each row.
HWY_INLINE void prepare_block(const PasteObject& object, int x, size_t stride, float* dst) {
  ColumnTaps taps = {};
  for (int i = 0; i < kPasteStrip; ++i) {
    const Taps column = paste_taps(x + i, object.box[0], object.box[2], object.side);
    taps.lo[i] = column.lo;
    taps.hi[i] = column.hi;
    taps.t[i] = column.t;
  }
  const Floats df;
  const Ints di;
  const int plane_rows = object.channels * object.side;
  for (int i = 0; i < kPasteStrip; i += static_cast<int>(hn::Lanes(df))) {
    const auto lo = hn::Load(di, taps.lo + i);
    const auto hi = hn::Load(di, taps.hi + i);
    const auto t = hn::Load(df, taps.t + i);
    for (int row = 0; row < plane_rows; ++row) {
      const float* src = object.layers + static_cast<size_t>(row) * object.side;
      const auto value = vector_lerp(hn::GatherIndex(df, src, lo), hn::GatherIndex(df, src, hi), t);
      hn::StoreU(value, df, dst + static_cast<size_t>(row) * stride + i);
    }
  }
}

void prepare(const PasteObject& object, const PasteWindow& window, float* columns) {
  const size_t stride = paste_workspace_floats(1, 1, window.x_end - window.x_begin);
  for (size_t x = 0; x < stride; x += kPasteStrip) {
    prepare_block(object, window.x_begin + static_cast<int>(x), stride, columns + x);
  }
}

// One vector of pixels.
struct Pixels {
  hn::Vec<Floats> confidence;
  hn::Vec<Floats> code;  // as a number, so that no mask changes its type
};

// lo and hi are the first plane's rows at these columns, the next plane lies `plane` floats further. The order of the
// operands of Max and Min keeps NaN, as confidence() of math/semdist.h does.
HWY_INLINE Pixels read_pixels(const float* lo, const float* hi, size_t plane, int channels, hn::Vec<Floats> t,
                              hn::Vec<Floats> threshold) {
  const Floats d;
  const auto not_object = vector_lerp(hn::LoadU(d, lo), hn::LoadU(d, hi), t);
  const auto above = hn::Max(hn::Zero(d), hn::Sub(hn::Set(d, 1.0f), not_object));
  const auto confidence = hn::Min(hn::Set(d, kMaxConfidence), above);
  auto best = vector_lerp(hn::LoadU(d, lo + plane), hn::LoadU(d, hi + plane), t);
  auto level = hn::Zero(d);
  for (int k = 2; k < channels; ++k) {
    const size_t offset = static_cast<size_t>(k) * plane;
    const auto value = vector_lerp(hn::LoadU(d, lo + offset), hn::LoadU(d, hi + offset), t);
    const auto better = hn::Gt(value, best);
    best = hn::IfThenElse(better, value, best);
    level = hn::IfThenElse(better, hn::Set(d, static_cast<float>(k - 1)), level);
  }
  const auto outside = hn::Set(d, static_cast<float>(kPasteOutside));
  return {confidence, hn::IfThenElse(hn::Gt(confidence, threshold), level, outside)};
}

void read_row(const PasteObject& object, const PasteWindow& window, const float* columns, const PasteRow& row,
              float* confidence, uint8_t* code) {
  const Floats df;
  const Ints di;
  const hn::Rebind<uint8_t, Floats> du;
  const size_t stride = paste_workspace_floats(1, 1, window.x_end - window.x_begin);
  const size_t plane = stride * static_cast<size_t>(object.side);
  const float* lo = columns + stride * static_cast<size_t>(row.lo);
  const float* hi = columns + stride * static_cast<size_t>(row.hi);
  const auto t = hn::Set(df, row.t);
  const auto threshold = hn::Set(df, object.threshold);
  for (size_t x = 0; x < stride; x += hn::Lanes(df)) {
    const Pixels pixels = read_pixels(lo + x, hi + x, plane, object.channels, t, threshold);
    hn::StoreU(pixels.confidence, df, confidence + x);
    hn::StoreU(hn::DemoteTo(du, hn::ConvertTo(di, pixels.code)), du, code + x);
  }
}

// Walks down Lanes() columns of a strip.
class ColumnWalk {
 public:
  // Lanes from `lanes` on lie beside the window and report nothing. Column i's list starts at changes[i * capacity].
  HWY_INLINE ColumnWalk(int lanes, PasteChange* changes, size_t capacity, int* counts)
      : changes_(changes), counts_(counts), capacity_(capacity), code_(hn::Set(Floats(), kPasteOutside)) {
    lanes_ = lanes >= static_cast<int>(hn::Lanes(Floats())) ? ~uint64_t{0} : (uint64_t{1} << lanes) - 1;
  }

  HWY_INLINE void visit(int y, hn::Vec<Floats> code) {
    const Floats d;
    const auto changed = hn::Ne(code, code_);
    if (HWY_LIKELY(hn::AllFalse(d, changed))) return;
    uint8_t bytes[8] = {0};
    hn::StoreMaskBits(d, changed, bytes);
    uint64_t bits = (bytes[0] | static_cast<uint64_t>(bytes[1]) << 8) & lanes_;
    HWY_ALIGN float codes[kPasteStrip];
    hn::Store(code, d, codes);
    for (; bits != 0; bits &= bits - 1) {
      const size_t lane = hwy::Num0BitsBelowLS1Bit_Nonzero64(bits);
      changes_[lane * capacity_ + static_cast<size_t>(counts_[lane]++)] = {y, static_cast<int32_t>(codes[lane])};
    }
    code_ = code;
  }

 private:
  PasteChange* changes_;
  int* counts_;
  size_t capacity_;
  uint64_t lanes_;
  hn::Vec<Floats> code_;
};

// True where nothing can change between two rows of one cell that have these codes. There every plane is
// fmaf(t, b - a, a), monotone in t even after rounding, so that C stays on its side of c; and a level 0 that wins at
// both ends wins between, since rounding turns > into >= at worst and the lowest level wins ties. Other levels have no
// such guarantee.
HWY_INLINE bool constant_between(hn::Vec<Floats> first, hn::Vec<Floats> last) {
  const Floats d;
  const auto settled = hn::Or(hn::Eq(first, hn::Zero(d)), hn::Eq(first, hn::Set(d, kPasteOutside)));
  return hn::AllTrue(d, hn::And(settled, hn::Eq(first, last)));
}

// Lanes() columns of a strip, all rows. columns (channels, P, 16) starts at these lanes.
HWY_INLINE void walk_columns(const PasteObject& object, const PasteWindow& window, const PasteRow* rows,
                             const float* columns, ColumnWalk& walk) {
  const Floats d;
  const size_t plane = static_cast<size_t>(kPasteStrip) * object.side;
  const auto threshold = hn::Set(d, object.threshold);
  for (int y = window.y_begin; y < window.y_end;) {
    const PasteRow& first = rows[y - window.y_begin];
    const int end = first.cell_end;
    const float* lo = columns + static_cast<size_t>(first.lo) * kPasteStrip;
    const float* hi = columns + static_cast<size_t>(first.hi) * kPasteStrip;
    const auto read = [&](int row) HWY_ATTR {
      return read_pixels(lo, hi, plane, object.channels, hn::Set(d, rows[row - window.y_begin].t), threshold).code;
    };
    const auto code = read(y);
    walk.visit(y, code);
    if (end - y > 2 && !constant_between(code, read(end - 1))) {
      for (++y; y < end; ++y) walk.visit(y, read(y));
    } else if (end - y == 2) {
      walk.visit(y + 1, read(y + 1));
    }
    y = end;
  }
  walk.visit(window.y_end, hn::Set(d, kPasteOutside));
}

void read_strip(const PasteObject& object, const PasteWindow& window, const PasteRow* rows, int x, float* columns,
                PasteChange* changes, int* counts) {
  prepare_block(object, x, kPasteStrip, columns);
  const size_t capacity = static_cast<size_t>(window.y_end - window.y_begin) + 1;
  for (int i = 0; i < kPasteStrip; ++i) counts[i] = 0;
  for (int i = 0; i < kPasteStrip && x + i < window.x_end; i += static_cast<int>(hn::Lanes(Floats()))) {
    ColumnWalk walk(window.x_end - (x + i), changes + static_cast<size_t>(i) * capacity, capacity, counts + i);
    walk_columns(object, window, rows, columns + i, walk);
  }
}

}  // namespace
}  // namespace sln::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace sln::cpu {
namespace {

// Pixels [begin, end) of [0, size) whose centres lie in [low, high). In double, where a coordinate less 0.5 is exact.
void pixels_inside(float low, float high, int size, int* begin, int* end) {
  const auto first_from = [size](float edge) {
    const double first = std::ceil(static_cast<double>(edge) - 0.5);
    return static_cast<int>(first < 0 ? 0 : first > size ? size : first);
  };
  *begin = first_from(low);
  *end = first_from(high);
}

}  // namespace

PasteWindow paste_window(const PasteObject& object) {
  PasteWindow window;
  const float* box = object.box;
  const float width = box[2] - box[0];
  const float height = box[3] - box[1];
  // A box without a finite extent (NaN included) has no pixels, and nothing to divide by.
  if (!(width > 0 && height > 0 && std::isfinite(width) && std::isfinite(height))) return window;
  pixels_inside(box[0], box[2], object.grid_w, &window.x_begin, &window.x_end);
  pixels_inside(box[1], box[3], object.grid_h, &window.y_begin, &window.y_end);
  if (window.x_begin >= window.x_end || window.y_begin >= window.y_end) return PasteWindow();
  return window;
}

void paste_rows(const PasteObject& object, const PasteWindow& window, PasteRow* rows) {
  for (int y = window.y_end - 1; y >= window.y_begin; --y) {
    const Taps taps = paste_taps(y, object.box[1], object.box[3], object.side);
    PasteRow& row = rows[y - window.y_begin];
    const bool same_cell = y + 1 < window.y_end && (&row)[1].lo == taps.lo;
    row = {taps.lo, taps.hi, taps.t, same_cell ? (&row)[1].cell_end : y + 1};
  }
}

size_t paste_workspace_floats(int channels, int side, int max_width) {
  const size_t stride = (static_cast<size_t>(max_width) + kPasteStrip - 1) / kPasteStrip * kPasteStrip;
  return static_cast<size_t>(channels) * static_cast<size_t>(side) * stride;
}

void paste_prepare(const PasteObject& object, const PasteWindow& window, float* columns) {
  SLN_SELECT(prepare)(object, window, columns);
}

void paste_row(const PasteObject& object, const PasteWindow& window, const float* columns, const PasteRow& row,
               float* confidence, uint8_t* code) {
  SLN_SELECT(read_row)(object, window, columns, row, confidence, code);
}

void paste_strip(const PasteObject& object, const PasteWindow& window, const PasteRow* rows, int x, float* columns,
                 PasteChange* changes, int* counts) {
  SLN_SELECT(read_strip)(object, window, rows, x, columns, changes, counts);
}

}  // namespace sln::cpu
#endif  // HWY_ONCE
