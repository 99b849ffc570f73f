// Photo to canvas. Threads over canvas rows. Each thread walks down the image rows that its canvas rows need: a block
// of them is filtered along x into the scratch, then each filtered row is added, times its weight, to the canvas rows
// that it is part of. So no buffer depends on the size of the photo, and each sum runs in image order.
#include "kernels/resize.h"

#include <algorithm>
#include <cstring>

#include "kernels/cpu/parallel.h"
#include "kernels/math/triangle.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/resize.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "kernels/cpu/dispatch.h"
#include "kernels/cpu/vector_math-inl.h"

// What does not depend on the instruction set; the file is compiled once per set, this once.
#ifndef SLN_RESIZE_ONCE_
#define SLN_RESIZE_ONCE_
namespace sln::cpu {

constexpr int kRowBlock = 16;  // image rows filtered along x together, so that a column's weights are made once for all
constexpr int kWeightChunk = 64;    // weights of one column held at a time
constexpr int kCanvasChannels = 4;  // R, G, B, 0

// The taps of every canvas column and row.
struct ResizeTables {
  const TriangleTaps* columns;  // (scaled_width)
  const TriangleTaps* rows;     // (scaled_height)
};

}  // namespace sln::cpu
#endif

HWY_BEFORE_NAMESPACE();
namespace sln::cpu::HWY_NAMESPACE {
namespace {

using Pixel = hn::FixedTag<float, kCanvasChannels>;

// R, G, B as floats; the fourth lane holds whatever follows (finite, and never used). Needs a readable byte after B.
HWY_INLINE hn::Vec<Pixel> load_pixel(const uint8_t* rgb) {
  const hn::FixedTag<uint8_t, 4> bytes;
  const hn::FixedTag<int32_t, 4> ints;
  return hn::ConvertTo(Pixel(), hn::PromoteTo(ints, hn::LoadU(bytes, rgb)));
}

// The same for the last pixel of a row, after which nothing may be read.
HWY_INLINE hn::Vec<Pixel> load_last_pixel(const uint8_t* rgb) {
  const uint8_t padded[4] = {rgb[0], rgb[1], rgb[2], 0};
  return load_pixel(padded);
}

// Adds taps [begin, end) of one canvas column to the sum of one image row.
HWY_INLINE void filter_pixel(const uint8_t* row, int width, int begin, int end, const float* weights, float* sum) {
  auto acc = hn::LoadU(Pixel(), sum);
  const int fast_end = std::min(end, width - 1);
  for (int x = begin; x < fast_end; ++x) {
    acc = hn::MulAdd(hn::Set(Pixel(), weights[x - begin]), load_pixel(row + size_t{3} * x), acc);
  }
  if (end == width) {
    acc = hn::MulAdd(hn::Set(Pixel(), weights[width - 1 - begin]), load_last_pixel(row + size_t{3} * (width - 1)), acc);
  }
  hn::StoreU(acc, Pixel(), sum);
}

// Filters image rows [first, first + count) along x: filtered (count, scaled_width, 4).
void filter_rows(const ResizeOp& p, const ResizeTables& tables, int first, int count, float* filtered) {
  const size_t row_floats = static_cast<size_t>(p.scaled_width) * kCanvasChannels;
  const TriangleFilter filter = triangle_filter(p.width, p.scaled_width);
  std::fill_n(filtered, row_floats * count, 0.0f);
  float weights[kWeightChunk];
  for (int column = 0; column < p.scaled_width; ++column) {
    const TriangleTaps& taps = tables.columns[column];
    for (int begin = taps.begin; begin < taps.end; begin += kWeightChunk) {
      const int end = std::min(begin + kWeightChunk, taps.end);
      for (int x = begin; x < end; ++x) weights[x - begin] = triangle_weight(filter, taps, x);
      for (int r = 0; r < count; ++r) {
        filter_pixel(p.pixels + (first + r) * p.row_bytes, p.width, begin, end, weights,
                     filtered + r * row_floats + static_cast<size_t>(column) * kCanvasChannels);
      }
    }
  }
}

// canvas row += weight * filtered row.
HWY_INLINE void add_row(const float* filtered, float weight, size_t floats, float* canvas_row) {
  for_each_channel(floats, [&](auto d, size_t i) HWY_ATTR {
    hn::StoreU(hn::MulAdd(hn::Set(d, weight), hn::LoadU(d, filtered + i), hn::LoadU(d, canvas_row + i)), d,
               canvas_row + i);
  });
}

// (x - mean) / std, and 0 in the fourth channel.
HWY_INLINE void normalize_row(const ResizeOp& p, float* canvas_row) {
  const float mean4[kCanvasChannels] = {p.mean[0], p.mean[1], p.mean[2], 0.0f};
  const float std4[kCanvasChannels] = {p.std[0], p.std[1], p.std[2], 1.0f};
  const auto mean = hn::LoadU(Pixel(), mean4);
  const auto std = hn::LoadU(Pixel(), std4);
  const auto colours = hn::FirstN(Pixel(), 3);
  for (int x = 0; x < p.scaled_width; ++x) {
    float* pixel = canvas_row + static_cast<size_t>(x) * kCanvasChannels;
    const auto value = hn::Div(hn::Sub(hn::LoadU(Pixel(), pixel), mean), std);
    hn::StoreU(hn::IfThenElseZero(colours, value), Pixel(), pixel);
  }
}

// Canvas rows [begin, end) of the scaled image. filtered: (kRowBlock, scaled_width, 4), this thread's own.
void resize_rows(const ResizeOp& p, const ResizeTables& tables, int begin, int end, float* filtered) {
  const size_t row_floats = static_cast<size_t>(p.scaled_width) * kCanvasChannels;
  const size_t canvas_row_floats = static_cast<size_t>(p.side) * kCanvasChannels;
  const TriangleFilter filter = triangle_filter(p.height, p.scaled_height);
  const int image_end = tables.rows[end - 1].end;
  int oldest = begin;  // first canvas row that still waits for image rows
  for (int first = tables.rows[begin].begin; first < image_end; first += kRowBlock) {
    const int count = std::min(kRowBlock, image_end - first);
    filter_rows(p, tables, first, count, filtered);
    for (int r = oldest; r < end && tables.rows[r].begin < first + count; ++r) {
      const TriangleTaps& taps = tables.rows[r];
      float* canvas_row = p.canvas + static_cast<size_t>(r) * canvas_row_floats;
      for (int y = std::max(taps.begin, first); y < std::min(taps.end, first + count); ++y) {
        add_row(filtered + (y - first) * row_floats, triangle_weight(filter, taps, y), row_floats, canvas_row);
      }
    }
    while (oldest < end && tables.rows[oldest].end <= first + count) {
      normalize_row(p, p.canvas + static_cast<size_t>(oldest) * canvas_row_floats);
      ++oldest;
    }
  }
}

}  // namespace
}  // namespace sln::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace sln::cpu {
namespace {

size_t table_bytes(int side) {
  return aligned(static_cast<size_t>(side) * sizeof(TriangleTaps));
}
size_t filtered_floats(int side) {
  return static_cast<size_t>(side) * kCanvasChannels * kRowBlock;
}

void fill_taps(int size, int scaled_size, TriangleTaps* taps) {
  const TriangleFilter filter = triangle_filter(size, scaled_size);
  for (int i = 0; i < scaled_size; ++i) taps[i] = triangle_taps(filter, i);
}

}  // namespace

size_t scratch_bytes(const ResizeOp& op, int threads) {
  return 2 * table_bytes(op.side) + static_cast<size_t>(threads) * filtered_floats(op.side) * sizeof(float);
}

void run(const ResizeOp& op, void* scratch, ThreadPool& pool) {
  char* bytes = static_cast<char*>(scratch);
  TriangleTaps* columns = reinterpret_cast<TriangleTaps*>(bytes);
  TriangleTaps* rows = reinterpret_cast<TriangleTaps*>(bytes + table_bytes(op.side));
  float* filtered = reinterpret_cast<float*>(bytes + 2 * table_bytes(op.side));
  fill_taps(op.width, op.scaled_width, columns);
  fill_taps(op.height, op.scaled_height, rows);
  const ResizeTables tables = {columns, rows};

  const size_t canvas_row_floats = static_cast<size_t>(op.side) * kCanvasChannels;
  pool.parallel_for(op.side, [&](int64_t begin, int64_t end, int) {
    std::fill(op.canvas + begin * canvas_row_floats, op.canvas + end * canvas_row_floats, 0.0f);
  });
  const auto resize = SLN_SELECT(resize_rows);
  pool.parallel_for(op.scaled_height, [&](int64_t begin, int64_t end, int thread) {
    resize(op, tables, static_cast<int>(begin), static_cast<int>(end),
           filtered + static_cast<size_t>(thread) * filtered_floats(op.side));
  });
}

}  // namespace sln::cpu
#endif  // HWY_ONCE
