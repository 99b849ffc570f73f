// One table of cases per op, for everything that runs ops: the tests of each device, and the op benchmark. A row of
// <op>_cases.cpp is a name and a function that makes the op, its buffers and its weights, always the same ones.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "engine/op.h"
#include "tests/support/op_buffers.h"

namespace sln_test {

// What is put into a buffer that an op reads.
struct Values {
  float low = -1;
  float high = 1;
  // Now and then NaN, an infinity, a zero of either sign, a denormal, a huge number: one in `nasty` values; 0: none.
  int nasty = 0;
};

// The buffers of a case. Each lies in an allocation of its own that ends with the last element of its last row, so that
// a sanitizer sees one element more. What is between the rows is NaN, and what an op writes is poisoned.
class CaseMemory {
 public:
  explicit CaseMemory(uint32_t seed) : random(seed) {}
  CaseMemory(const CaseMemory&) = delete;
  CaseMemory& operator=(const CaseMemory&) = delete;

  // `rows` rows of `length` floats, `step` apart; of all of them the first `used` are filled. shift: floats from the
  // alignment of 64 bytes.
  float* rows(int64_t rows, int64_t length, int64_t step, const Values& values, int64_t used, int shift = 0);
  float* rows(int64_t count, int64_t length, int64_t step, const Values& values) {
    return rows(count, length, step, values, count);
  }
  float* fill(int64_t count, const Values& values) { return rows(1, count, count, values); }
  // Poisoned.
  float* floats(int64_t count, int shift = 0) {
    return reinterpret_cast<float*>(take(count, sizeof(float), shift, true));
  }
  int32_t* integers(int64_t count) { return reinterpret_cast<int32_t*>(take(count, sizeof(int32_t), 0, false)); }
  uint8_t* bytes(int64_t count) { return reinterpret_cast<uint8_t*>(take(count, 1, 0, false)); }
  float value(const Values& values);

  Random random;

  // True where all buffers of two cases that were made alike hold the same; any NaN is as good as any other. `where`
  // says which buffer and element differ.
  static bool equal(const CaseMemory& a, const CaseMemory& b, std::string& where);

 private:
  struct Block {
    std::unique_ptr<std::byte, void (*)(void*)> memory;
    size_t lead, bytes;
    bool floats;
    std::byte* data() const { return memory.get() + lead; }
  };
  std::byte* take(int64_t count, size_t element_bytes, int shift, bool floats);

  std::vector<Block> blocks_;
};

struct OpCase {
  sln::Op op;                          // its weights are not packed yet
  std::shared_ptr<CaseMemory> memory;  // of the op's buffers and of what it has of the host
  const float* weights = nullptr;      // canonical, of an op that has weights
  const float* bias = nullptr;         // likewise, or null
};

struct CaseRow {
  std::string name;
  std::function<OpCase()> make;
};

// Which of a batch's items are in use: all, none, some; and whether the device alone knows.
constexpr int kAllItems = -1;
sln::Items items_of(CaseMemory& memory, int room, int used);
inline int used_of(int room, int used) {
  return used == kAllItems ? room : used;
}

// The tables, in the order of sln::Op. What is timed has the network's sizes; what is tested is small, and runs
// through each op's options, both ends of its parameters, and items in use from none to all.
enum class Purpose { kTest, kTime };
std::vector<CaseRow> resize_cases(Purpose purpose);
std::vector<CaseRow> canvas_from_planes_cases(Purpose purpose);
std::vector<CaseRow> conv_cases(Purpose purpose);
std::vector<CaseRow> depthwise_cases(Purpose purpose);
std::vector<CaseRow> pool_cases(Purpose purpose);
std::vector<CaseRow> upsample_sum_cases(Purpose purpose);
std::vector<CaseRow> softmax_cases(Purpose purpose);
std::vector<CaseRow> proposals_cases(Purpose purpose);
std::vector<CaseRow> roi_align_cases(Purpose purpose);
std::vector<CaseRow> refine_cases(Purpose purpose);
std::vector<CaseRow> mask_planes_cases(Purpose purpose);
std::vector<CaseRow> all_cases(Purpose purpose);

}  // namespace sln_test
