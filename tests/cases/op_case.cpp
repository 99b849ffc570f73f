#include "tests/cases/op_case.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <new>

#include "engine/error.h"

namespace sln_test {
namespace {

constexpr size_t kAlignment = 64;
constexpr uint8_t kPoison = 0xA5;
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kTiny = std::numeric_limits<float>::denorm_min();
constexpr float kNasty[] = {kNan, kInfinity, -kInfinity, 0.0f, -0.0f, 3e38f, -3e38f, 1e-38f, kTiny, -kTiny};

bool both_nan(const std::byte* a, const std::byte* b) {
  float x, y;
  std::memcpy(&x, a, sizeof x);
  std::memcpy(&y, b, sizeof y);
  return x != x && y != y;
}

}  // namespace

std::byte* CaseMemory::take(int64_t count, size_t element_bytes, int shift, bool floats) {
  const size_t lead = static_cast<size_t>(shift) * element_bytes;
  const size_t bytes = static_cast<size_t>(std::max<int64_t>(count, 0)) * element_bytes;
  void* memory = nullptr;
  if (posix_memalign(&memory, kAlignment, std::max<size_t>(lead + bytes, 1)) != 0) throw std::bad_alloc();
  blocks_.push_back({{static_cast<std::byte*>(memory), std::free}, lead, bytes, floats});
  std::byte* const data = blocks_.back().data();
  std::memset(data, kPoison, bytes);
  if (floats) std::fill_n(reinterpret_cast<float*>(data), bytes / sizeof(float), kNan);
  return data;
}

float CaseMemory::value(const Values& values) {
  if (values.nasty > 0 && random.below(values.nasty) == 0) return kNasty[random.below(std::size(kNasty))];
  return random.uniform(values.low, values.high);
}

float* CaseMemory::rows(int64_t rows, int64_t length, int64_t step, const Values& values, int64_t used, int shift) {
  float* const data = floats(rows > 0 ? (rows - 1) * step + length : 0, shift);
  for (int64_t row = 0; row < used; ++row) std::generate_n(data + row * step, length, [&] { return value(values); });
  return data;
}

bool CaseMemory::equal(const CaseMemory& a, const CaseMemory& b, std::string& where) {
  // Whoever has run the op may have taken more memory, behind that of the case.
  for (size_t i = 0; i < std::min(a.blocks_.size(), b.blocks_.size()); ++i) {
    const Block& x = a.blocks_[i];
    const Block& y = b.blocks_[i];
    const size_t unit = x.floats ? sizeof(float) : 1;
    for (size_t at = 0; at < x.bytes; at += unit) {
      if (std::memcmp(x.data() + at, y.data() + at, unit) == 0) continue;
      if (x.floats && both_nan(x.data() + at, y.data() + at)) continue;
      where = sln::concat("buffer ", i, ", element ", at / unit, " of ", x.bytes / unit);
      return false;
    }
  }
  return true;
}

sln::Items items_of(CaseMemory& memory, int room, int used) {
  if (used == kAllItems) return {room};
  int32_t* const counter = memory.integers(1);
  *counter = used;
  return {room, counter};
}

std::vector<CaseRow> all_cases(Purpose purpose) {
  std::vector<CaseRow> all;
  for (const auto table :
       {resize_cases, canvas_from_planes_cases, conv_cases, depthwise_cases, pool_cases, upsample_sum_cases,
        softmax_cases, proposals_cases, roi_align_cases, refine_cases, mask_planes_cases}) {
    for (CaseRow& row : table(purpose)) all.push_back(std::move(row));
  }
  return all;
}

}  // namespace sln_test
