// Bit planes make Omega and R cheap: C_A * C_B > c*c holds wherever both C > c (products and rounding are monotone, and
// the next float above c has a square that rounds above c*c) and nowhere that both C <= c or one C <= c*c (the other is
// below 1). Only where one is over c and the other in (c*c, c] are the two confidences read and multiplied.
#include "kernels/mask_bits.h"

#include <algorithm>

#include "kernels/math/semdist.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/mask_bits.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "kernels/cpu/dispatch.h"
#include "kernels/cpu/vector_math-inl.h"

HWY_BEFORE_NAMESPACE();
namespace sln::cpu::HWY_NAMESPACE {
namespace {

using Floats = hn::ScalableTag<float>;
using Bytes = hn::CappedTag<uint8_t, 16>;

template <class D>
HWY_INLINE uint64_t mask_to_bits(D d, hn::Mask<D> mask) {
  uint8_t bytes[8] = {0};
  hn::StoreMaskBits(d, mask, bytes);
  return bytes[0] | static_cast<uint64_t>(bytes[1]) << 8;
}

HWY_INLINE uint64_t bits_above(const float* values, float limit) {
  const Floats d;
  uint64_t word = 0;
  for (size_t i = 0; i < 64; i += hn::Lanes(d)) {
    word |= mask_to_bits(d, hn::Gt(hn::LoadU(d, values + i), hn::Set(d, limit))) << i;
  }
  return word;
}

HWY_INLINE uint64_t bits_of_code(const uint8_t* codes, int bit) {
  const Bytes d;
  uint64_t word = 0;
  for (size_t i = 0; i < 64; i += hn::Lanes(d)) {
    const auto set = hn::TestBit(hn::LoadU(d, codes + i), hn::Set(d, static_cast<uint8_t>(1 << bit)));
    word |= mask_to_bits(d, set) << i;
  }
  return word;
}

// 64 pixels of one row into all planes; valid has the bits of the window. Returns C > c.
HWY_INLINE uint64_t pack_word(const PasteObject& object, const float* confidence, const uint8_t* codes, uint64_t valid,
                              int level_bits, size_t plane, uint64_t* dst) {
  const uint64_t amodal = bits_above(confidence, object.threshold) & valid;
  dst[0] = amodal;
  dst[plane] = bits_above(confidence, object.threshold * object.threshold) & valid;
  for (int bit = 0; bit < level_bits; ++bit) {
    dst[plane * static_cast<size_t>(2 + bit)] = bits_of_code(codes, bit) & amodal;
  }
  return amodal;
}

// workspace: columns (channels, P, width), then a row of C, then a row of codes.
void fill(const PasteObject& object, MaskBits& mask, float* workspace) {
  const size_t words = static_cast<size_t>(mask.word_end - mask.word_begin);
  const size_t width = words * 64;
  const int rows = mask.window.y_end - mask.window.y_begin;
  const size_t plane = words * static_cast<size_t>(rows);
  float* columns = workspace;
  float* confidence = columns + static_cast<size_t>(object.channels) * object.side * width;
  uint8_t* codes = reinterpret_cast<uint8_t*>(confidence + width);
  PasteWindow wide = mask.window;
  wide.x_begin = mask.word_begin * 64;
  wide.x_end = mask.word_end * 64;
  paste_prepare(object, wide, columns);
  std::copy_n(columns, static_cast<size_t>(object.side) * width, mask.not_object);
  paste_rows(object, mask.window, mask.rows);
  const uint64_t first = ~uint64_t{0} << (mask.window.x_begin - wide.x_begin);
  const uint64_t last = ~uint64_t{0} >> (wide.x_end - mask.window.x_end);
  mask.area = 0;
  for (int y = 0; y < rows; ++y) {
    paste_row(object, wide, columns, mask.rows[y], confidence, codes);
    uint64_t* row = mask.planes + static_cast<size_t>(y) * words;
    for (size_t w = 0; w < words; ++w) {
      const uint64_t valid = (w == 0 ? first : ~uint64_t{0}) & (w + 1 == words ? last : ~uint64_t{0});
      const uint64_t amodal =
          pack_word(object, confidence + w * 64, codes + w * 64, valid, mask.level_bits, plane, row + w);
      mask.area += static_cast<int64_t>(hwy::PopCount(amodal));
    }
  }
}

// The words that two objects share, as rows of each.
struct SharedWords {
  const uint64_t* a;
  const uint64_t* b;
  size_t a_stride, b_stride;  // words
  size_t words;               // per row
  int rows;
};

HWY_INLINE SharedWords shared_words(const MaskBits& a, const MaskBits& b) {
  const int word_begin = std::max(a.word_begin, b.word_begin);
  const int word_end = std::min(a.word_end, b.word_end);
  const int y_begin = std::max(a.window.y_begin, b.window.y_begin);
  const int y_end = std::min(a.window.y_end, b.window.y_end);
  if (word_begin >= word_end || y_begin >= y_end) return {nullptr, nullptr, 0, 0, 0, 0};
  const auto start = [&](const MaskBits& mask, size_t stride) HWY_ATTR {
    return mask.planes + static_cast<size_t>(y_begin - mask.window.y_begin) * stride + (word_begin - mask.word_begin);
  };
  const size_t a_stride = static_cast<size_t>(a.word_end - a.word_begin);
  const size_t b_stride = static_cast<size_t>(b.word_end - b.word_begin);
  return {start(a, a_stride), start(b, b_stride), a_stride, b_stride, static_cast<size_t>(word_end - word_begin),
          y_end - y_begin};
}

int64_t intersection(const MaskBits& a, const MaskBits& b) {
  const SharedWords shared = shared_words(a, b);
  int64_t pixels = 0;
  for (int y = 0; y < shared.rows; ++y) {
    const uint64_t* row_a = shared.a + static_cast<size_t>(y) * shared.a_stride;
    const uint64_t* row_b = shared.b + static_cast<size_t>(y) * shared.b_stride;
    for (size_t w = 0; w < shared.words; ++w) pixels += static_cast<int64_t>(hwy::PopCount(row_a[w] & row_b[w]));
  }
  return pixels;
}

bool intersect(const MaskBits& a, const MaskBits& b) {
  const SharedWords shared = shared_words(a, b);
  for (int y = 0; y < shared.rows; ++y) {
    const uint64_t* row_a = shared.a + static_cast<size_t>(y) * shared.a_stride;
    const uint64_t* row_b = shared.b + static_cast<size_t>(y) * shared.b_stride;
    uint64_t any = 0;
    for (size_t w = 0; w < shared.words; ++w) any |= row_a[w] & row_b[w];
    if (any != 0) return true;
  }
  return false;
}

// Calls visit(place in a bitmap of the grid, visible pixels) for every word of the object.
template <class Visit>
HWY_INLINE void visit_visible(const MaskBits& mask, size_t stride, const Visit& visit) {
  const size_t words = static_cast<size_t>(mask.word_end - mask.word_begin);
  const size_t rows = static_cast<size_t>(mask.window.y_end - mask.window.y_begin);
  const size_t plane = words * rows;
  for (size_t y = 0; y < rows; ++y) {
    const size_t first = (static_cast<size_t>(mask.window.y_begin) + y) * stride + static_cast<size_t>(mask.word_begin);
    for (size_t w = 0; w < words; ++w) {
      const uint64_t* bits = mask.planes + y * words + w;
      uint64_t behind = 0;
      for (int bit = 0; bit < mask.level_bits; ++bit) behind |= bits[plane * static_cast<size_t>(2 + bit)];
      visit(first + w, bits[0] & ~behind);
    }
  }
}

VisiblePixels visible(const MaskBits& mask, const uint64_t* claimed, size_t stride) {
  VisiblePixels pixels;
  visit_visible(mask, stride, [&](size_t place, uint64_t word) HWY_ATTR {
    pixels.count += static_cast<int64_t>(hwy::PopCount(word));
    pixels.claimed += static_cast<int64_t>(hwy::PopCount(word & claimed[place]));
  });
  return pixels;
}

void claim(const MaskBits& mask, uint64_t* claimed, size_t stride) {
  visit_visible(mask, stride, [&](size_t place, uint64_t word) HWY_ATTR { claimed[place] |= word; });
}

// One object's row y: where its words and its interpolated columns start, at word `word_begin`.
struct ObjectRow {
  const uint64_t* bits;
  size_t plane;  // words from one plane to the next
  const float* lo;
  const float* hi;
  float t;
};

HWY_INLINE ObjectRow object_row(const MaskBits& mask, int y, int word_begin) {
  const size_t words = static_cast<size_t>(mask.word_end - mask.word_begin);
  const size_t row = static_cast<size_t>(y - mask.window.y_begin);
  const size_t first = static_cast<size_t>(word_begin - mask.word_begin);
  const PasteRow& taps = mask.rows[row];
  const float* columns = mask.not_object + first * 64;
  return {mask.planes + row * words + first, words * static_cast<size_t>(mask.window.y_end - mask.window.y_begin),
          columns + static_cast<size_t>(taps.lo) * words * 64, columns + static_cast<size_t>(taps.hi) * words * 64,
          taps.t};
}

HWY_INLINE hn::Vec<Floats> read_confidence(const ObjectRow& row, size_t x) {
  const Floats d;
  const auto not_object = vector_lerp(hn::LoadU(d, row.lo + x), hn::LoadU(d, row.hi + x), hn::Set(d, row.t));
  const auto above = hn::Max(hn::Zero(d), hn::Sub(hn::Set(d, 1.0f), not_object));
  return hn::Min(hn::Set(d, kMaxConfidence), above);
}

// Those of the pixels `asked` of word w where C_A * C_B > limit.
HWY_INLINE uint64_t products_above(const ObjectRow& a, const ObjectRow& b, size_t w, uint64_t asked, float limit) {
  const Floats d;
  constexpr size_t kLanes = HWY_MAX_BYTES / sizeof(float);
  constexpr uint64_t kLaneBits = (uint64_t{1} << kLanes) - 1;
  uint64_t word = 0;
  for (size_t i = 0; i < 64; i += kLanes) {
    if ((asked >> i & kLaneBits) == 0) continue;
    const auto product = hn::Mul(read_confidence(a, w * 64 + i), read_confidence(b, w * 64 + i));
    word |= mask_to_bits(d, hn::Gt(product, hn::Set(d, limit))) << i;
  }
  return word & asked;
}

int64_t order_row(const MaskOrderRow& p) {
  const ObjectRow a = object_row(*p.a, p.y, p.word_begin);
  const ObjectRow b = object_row(*p.b, p.y, p.word_begin);
  const float limit = p.threshold * p.threshold;
  const size_t words = static_cast<size_t>(p.word_end - p.word_begin);
  int64_t pixels = 0;
  for (size_t w = 0; w < words; ++w) {
    const uint64_t both = a.bits[w] & b.bits[w];
    const uint64_t asked = ((a.bits[w] & b.bits[w + b.plane]) | (b.bits[w] & a.bits[w + a.plane])) & ~both;
    const uint64_t omega = asked == 0 ? both : both | products_above(a, b, w, asked, limit);
    pixels += static_cast<int64_t>(hwy::PopCount(omega));
    uint64_t equal = omega;  // where all bits so far agree
    uint64_t a_front = 0;
    uint64_t b_front = 0;
    for (int bit = p.a->level_bits - 1; bit >= 0 && equal != 0; --bit) {
      const uint64_t level_a = a.bits[w + a.plane * static_cast<size_t>(2 + bit)];
      const uint64_t level_b = b.bits[w + b.plane * static_cast<size_t>(2 + bit)];
      a_front |= equal & ~level_a & level_b;
      b_front |= equal & level_a & ~level_b;
      equal &= ~(level_a ^ level_b);
    }
    p.a_front[w] = a_front;
    p.b_front[w] = b_front;
  }
  return pixels;
}

}  // namespace
}  // namespace sln::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace sln::cpu {

void mask_bits_shape(const PasteObject& object, MaskBits& mask) {
  mask.window = paste_window(object);
  mask.word_begin = mask.window.x_begin / 64;
  mask.word_end = (mask.window.x_end + 63) / 64;
  mask.side = object.side;
  mask.level_bits = 0;
  while (1 << mask.level_bits < object.channels - 1) ++mask.level_bits;
}

size_t mask_bits_planes_words(const MaskBits& mask) {
  const size_t rows = static_cast<size_t>(mask.window.y_end - mask.window.y_begin);
  return static_cast<size_t>(2 + mask.level_bits) * rows * static_cast<size_t>(mask.word_end - mask.word_begin);
}

size_t mask_bits_not_object_floats(const MaskBits& mask) {
  return static_cast<size_t>(mask.side) * 64 * static_cast<size_t>(mask.word_end - mask.word_begin);
}

size_t mask_bits_workspace_floats(const PasteObject& object, const MaskBits& mask) {
  const size_t width = static_cast<size_t>(mask.word_end - mask.word_begin) * 64;
  return static_cast<size_t>(object.channels) * mask_bits_not_object_floats(mask) + width + width / sizeof(float);
}

void mask_bits_fill(const PasteObject& object, MaskBits& mask, float* workspace) {
  SLN_SELECT(fill)(object, mask, workspace);
}

int64_t mask_bits_intersection(const MaskBits& a, const MaskBits& b) {
  return SLN_SELECT(intersection)(a, b);
}

bool mask_bits_intersect(const MaskBits& a, const MaskBits& b) {
  return SLN_SELECT(intersect)(a, b);
}

VisiblePixels mask_bits_visible(const MaskBits& mask, const uint64_t* claimed, size_t stride) {
  return SLN_SELECT(visible)(mask, claimed, stride);
}

void mask_bits_claim(const MaskBits& mask, uint64_t* claimed, size_t stride) {
  SLN_SELECT(claim)(mask, claimed, stride);
}

int64_t mask_bits_order_row(const MaskOrderRow& row) {
  return SLN_SELECT(order_row)(row);
}

}  // namespace sln::cpu
#endif  // HWY_ONCE
