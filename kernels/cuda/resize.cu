// Photo to canvas: the triangle filter of kernels/math/triangle.h along x, then along y, then (x - mean) / std. Every
// sum is one fmaf chain in image order, as in kernels/cpu/resize.cpp.
//
// The photo goes up in bands of rows, so that no buffer depends on its size. resize_taps_kernel works out which pixels
// each canvas column and row reads. resize_filter_kernel filters a band along x: a thread makes one canvas column of
// kRows image rows, so that a weight is worked out once for all of them. resize_add_kernel, a thread a canvas pixel,
// continues the chain along y through the band; the chains run in row order and wait in the canvas between bands, so
// the bands change no bit. The pixel's last band normalises it. Blocks of 128 threads along a row, whose reads and
// writes are neighbours.
#include "kernels/cuda/checks.h"
#include "kernels/cuda/launch.cuh"
#include "kernels/cuda/ops.h"
#include "kernels/cuda/quads.cuh"
#include "kernels/math/triangle.h"

namespace sln::cuda {
namespace {

constexpr int kThreads = 128;
constexpr int kRows = 4;                                       // image rows of a thread that filters along x
constexpr int kBandRows = 128;                                 // image rows of a band, at most
constexpr int kMaxWidth = static_cast<int>(kUploadBytes / 3);  // image pixels: a band is a row at least

// Where everything lies in the scratch.
struct Scratch {
  TriangleTaps* columns;  // (side) taps of each canvas column
  TriangleTaps* rows;     // (side) and row
  uint8_t* pixels;        // (kUploadBytes) a band of the photo, (count, width, 3)
  float* filtered;        // (kBandRows, scaled_width, 4) the band filtered along x
  size_t bytes;
};

Scratch cut(void* memory, int side) {
  const size_t taps = aligned(static_cast<size_t>(side) * sizeof(TriangleTaps));
  auto* const bytes = static_cast<char*>(memory);
  char* const pixels = bytes + 2 * taps;
  const size_t filtered = static_cast<size_t>(kBandRows) * static_cast<size_t>(side) * sizeof(float4);
  return {reinterpret_cast<TriangleTaps*>(bytes), reinterpret_cast<TriangleTaps*>(bytes + taps),
          reinterpret_cast<uint8_t*>(pixels), reinterpret_cast<float*>(pixels + kUploadBytes),
          2 * taps + kUploadBytes + filtered};
}

// Image rows [first, first + count) are on the device, canvas rows [begin, end) read some of them.
struct Band {
  ResizeOp op;
  Scratch at;
  int first, count;
  int begin, end;
};

__global__ void __launch_bounds__(kThreads) resize_taps_kernel(Band p) {
  const int i = thread_number();
  if (i < p.op.scaled_width) p.at.columns[i] = triangle_taps(triangle_filter(p.op.width, p.op.scaled_width), i);
  if (i < p.op.scaled_height) p.at.rows[i] = triangle_taps(triangle_filter(p.op.height, p.op.scaled_height), i);
}

// Grid: (columns in blocks, groups of kRows image rows).
__global__ void __launch_bounds__(kThreads) resize_filter_kernel(Band p) {
  const int column = thread_number();
  if (column >= p.op.scaled_width) return;
  const TriangleFilter filter = triangle_filter(p.op.width, p.op.scaled_width);
  const TriangleTaps taps = p.at.columns[column];
  const int row = static_cast<int>(blockIdx.y) * kRows;
  float4 sums[kRows] = {};
  for (int x = taps.begin; x < taps.end; ++x) {
    const float weight = triangle_weight(filter, taps, x);
    SLN_UNROLL(4)
    for (int r = 0; r < kRows; ++r) {
      if (row + r >= p.count) continue;
      const uint8_t* const rgb = p.at.pixels + ((row + r) * p.op.width + x) * 3;
      const float4 value = make_float4(rgb[0], rgb[1], rgb[2], 0.0f);
      sums[r] = fma_quad(all_of(weight), value, sums[r]);
    }
  }
  SLN_UNROLL(4)
  for (int r = 0; r < kRows; ++r) {
    if (row + r < p.count) vec<float4>(p.at.filtered)[(row + r) * p.op.scaled_width + column] = sums[r];
  }
}

// Grid: (columns in blocks, canvas rows).
__global__ void __launch_bounds__(kThreads) resize_add_kernel(Band p) {
  const int column = thread_number();
  if (column >= p.op.scaled_width) return;
  const int row = p.begin + static_cast<int>(blockIdx.y);
  const TriangleFilter filter = triangle_filter(p.op.height, p.op.scaled_height);
  const TriangleTaps taps = p.at.rows[row];
  const int band_end = p.first + p.count;
  float4* const pixel = vec<float4>(p.op.canvas) + (row * p.op.side + column);
  float4 sum = pixel[0];
  for (int y = taps.begin > p.first ? taps.begin : p.first; y < (taps.end < band_end ? taps.end : band_end); ++y) {
    const float4 value = vec<float4>(p.at.filtered)[(y - p.first) * p.op.scaled_width + column];
    sum = fma_quad(all_of(triangle_weight(filter, taps, y)), value, sum);
  }
  if (taps.end <= band_end) {
    sum = make_float4((sum.x - p.op.mean[0]) / p.op.std[0], (sum.y - p.op.mean[1]) / p.op.std[1],
                      (sum.z - p.op.mean[2]) / p.op.std[2], 0.0f);
  }
  pixel[0] = sum;
}

void check(bool holds, const char* what) {
  require(holds, "resize", what);
}

// What holds for every photo.
void check_canvas(const ResizeOp& op) {
  check(op.side > 0 && op.side <= 65535, "side must be in 1..65535");
  check_buffers(op, "resize");
  check(reinterpret_cast<uintptr_t>(op.canvas) % sizeof(float4) == 0, "the canvas is not aligned to 16 bytes");
}

void check(const ResizeOp& op) {
  check_canvas(op);
  check(op.pixels != nullptr, "pixels is null");
  check(op.width > 0 && op.height > 0, "photo without pixels");
  check(op.width <= kMaxWidth, "the photo is wider than 349525 pixels");
  check(op.scaled_width > 0 && op.scaled_height > 0, "scaled photo without pixels");
  check(op.scaled_width <= op.side && op.scaled_height <= op.side, "the scaled photo is larger than the canvas");
  check(op.row_bytes >= ptrdiff_t{3} * op.width, "row_bytes is below 3 * width");
}

// Sends the band's rows up and adds them to the canvas.
cudaError_t run_band(const Band& band, Stream stream) {
  const ResizeOp& op = band.op;
  const size_t width = static_cast<size_t>(op.width) * 3;
  cudaError_t error =
      cudaMemcpy2DAsync(band.at.pixels, width, op.pixels + band.first * op.row_bytes, static_cast<size_t>(op.row_bytes),
                        width, static_cast<size_t>(band.count), cudaMemcpyHostToDevice, stream);
  dim3 grid = grid_for(op.scaled_width, kThreads);
  grid.y = static_cast<unsigned>((band.count + kRows - 1) / kRows);
  if (error == cudaSuccess) error = launch(resize_filter_kernel, grid, dim3(kThreads), 0, stream, band);
  grid.y = static_cast<unsigned>(band.end - band.begin);
  if (error == cudaSuccess) error = launch(resize_add_kernel, grid, dim3(kThreads), 0, stream, band);
  return error;
}

}  // namespace

size_t scratch_bytes(const ResizeOp& op) {
  check_canvas(op);
  return cut(nullptr, op.side).bytes;
}

int run(const ResizeOp& op, void* scratch, Stream stream) {
  check(op);
  check(scratch != nullptr, "scratch is null");
  Band band = {op, cut(scratch, op.side), 0, 0, 0, 0};
  const int64_t canvas_floats = int64_t{4} * op.side * op.side;
  cudaError_t error = cudaMemsetAsync(op.canvas, 0, static_cast<size_t>(canvas_floats) * sizeof(float), stream);
  const int taps = op.scaled_width > op.scaled_height ? op.scaled_width : op.scaled_height;
  if (error == cudaSuccess)
    error = launch(resize_taps_kernel, grid_for(taps, kThreads), dim3(kThreads), 0, stream, band);

  const TriangleFilter filter = triangle_filter(op.height, op.scaled_height);
  const int rows = kMaxWidth / op.width < kBandRows ? kMaxWidth / op.width : kBandRows;
  for (; band.first < op.height && error == cudaSuccess; band.first += rows) {
    band.count = op.height - band.first < rows ? op.height - band.first : rows;
    // Both ends of a row's taps grow with the row.
    while (band.begin < op.scaled_height && triangle_taps(filter, band.begin).end <= band.first) ++band.begin;
    while (band.end < op.scaled_height && triangle_taps(filter, band.end).begin < band.first + band.count) ++band.end;
    if (band.begin < band.end) error = run_band(band, stream);
  }
  return error;
}

}  // namespace sln::cuda
