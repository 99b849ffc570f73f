// What each_buffer() says of every op, against what the op does. It runs on memory that holds the visited rows and
// nothing else; what it does not read is garbage, and each element that it is said to read changes what it writes.
#include "kernels/buffers.h"

#include <algorithm>
#include <array>
#include <catch2/catch.hpp>
#include <cstring>
#include <limits>
#include <memory>
#include <set>
#include <stdexcept>
#include <type_traits>
#include <vector>

#include "engine/op.h"
#include "kernels/cpu/parallel.h"
#include "tests/support/op_buffers.h"
#include "tests/support/op_spans.h"

namespace sln_test {
namespace {

using sln::Rows;

constexpr int kRoom = 3;    // items
constexpr int kPixels = 7;  // of an item: three of them are more than a block of 16, one is less
constexpr int kAll = -1;    // no counter: all of the room is in use

// Memory that buffers are cut from, at multiples of 64 bytes and far enough apart for a row too many to meet no other.
class Memory {
 public:
  static constexpr size_t kBytes = 48 << 10;
  using Bytes = std::array<std::byte, kBytes>;

  template <typename T>
  T* take(size_t count) {
    T* const at = reinterpret_cast<T*>(bytes.data() + used_);
    used_ += sln::aligned(count * sizeof(T)) + kApart;
    if (used_ + kApart > kBytes) throw std::length_error("the memory of an example is too small");
    return at;
  }
  float* floats(size_t count) {
    float* const at = take<float>(count);
    std::generate_n(at, count, [&] { return random_.uniform(-2, 2); });
    return at;
  }

  alignas(64) Bytes bytes{};

 private:
  static constexpr size_t kApart = 1 << 10;
  size_t used_ = kApart;
  Random random_{5};
};

// An op, its buffers, and what it has of the host.
struct Example {
  sln::Op op;
  std::unique_ptr<Memory> memory = std::make_unique<Memory>();
  std::unique_ptr<Memory> host = std::make_unique<Memory>();
};

sln::Items items_of(Example& example, int used) {
  if (used == kAll) return {kRoom};
  auto* const counter = example.memory->take<int32_t>(1);
  *counter = used;
  return {kRoom, counter};
}

enum class Residual { kNone, kApart, kInPlace };

// dst lies within the pixels of a wider map.
Example conv(int used, const sln::ConvDesc& desc, Residual residual) {
  Example e;
  sln::ConvOp op;
  op.desc = desc;
  op.batch = items_of(e, used);
  op.in_h = 5, op.in_w = 4, op.src_stride = desc.in_channels + 3;
  op.src = e.memory->floats(static_cast<size_t>(kRoom * op.in_h * op.in_w * op.src_stride));
  op.out_h = (op.in_h + 2 * desc.pad - desc.kernel) / desc.stride + 1;
  op.out_w = (op.in_w + 2 * desc.pad - desc.kernel) / desc.stride + 1;
  const int out_pixels = kRoom * op.out_h * op.out_w;
  op.dst_stride = sln::ceil16(desc.out_channels) + 5;
  op.dst = e.memory->floats(static_cast<size_t>(out_pixels * op.dst_stride)) + 2;
  if (residual == Residual::kInPlace) {
    op.residual = op.dst, op.residual_stride = op.dst_stride;
  } else if (residual == Residual::kApart) {
    op.residual_stride = desc.out_channels + 1;
    op.residual = e.memory->floats(static_cast<size_t>(out_pixels * op.residual_stride));
  }
  const int weights = desc.out_channels * desc.in_channels * desc.kernel * desc.kernel;
  op.weights = sln::cpu::pack(desc, e.host->floats(static_cast<size_t>(weights)),
                              e.host->floats(static_cast<size_t>(desc.out_channels)),
                              e.host->take<std::byte>(sln::cpu::packed_bytes(desc)));
  e.op = op;
  return e;
}

Example depthwise(int kernel, int stride) {
  Example e;
  sln::DepthwiseOp op;
  op.desc = {5, kernel, stride, 1, sln::Activation::kNone};
  op.in_h = 5, op.in_w = 6, op.src_stride = 19;
  op.src = e.memory->floats(static_cast<size_t>(op.in_h * op.in_w * op.src_stride));
  op.out_h = (op.in_h + 2 - kernel) / stride + 1, op.out_w = (op.in_w + 2 - kernel) / stride + 1, op.dst_stride = 23;
  op.dst = e.memory->floats(static_cast<size_t>(op.out_h * op.out_w * op.dst_stride)) + 3;
  op.weights = sln::cpu::pack(op.desc, e.host->floats(static_cast<size_t>(op.desc.channels * kernel * kernel)),
                              e.host->floats(5), e.host->take<std::byte>(sln::cpu::packed_bytes(op.desc)));
  e.op = op;
  return e;
}

Example pool(sln::PoolKind kind, int channels) {
  Example e;
  sln::PoolOp op;
  op.kind = kind;
  op.in_h = 5, op.in_w = 7, op.src_stride = channels + 3, op.channels = channels;
  op.src = e.memory->floats(static_cast<size_t>(op.in_h * op.in_w * op.src_stride));
  op.kernel = 3, op.stride = 2, op.pad = kind == sln::PoolKind::kMax ? 1 : 0;
  op.out_h = (op.in_h + 2 * op.pad - 3) / 2 + 1, op.out_w = (op.in_w + 2 * op.pad - 3) / 2 + 1;
  op.dst_stride = sln::ceil16(channels) + 2;
  op.dst = e.memory->floats(static_cast<size_t>(op.out_h * op.out_w * op.dst_stride)) + 1;
  e.op = op;
  return e;
}

Example upsample_sum(int count) {
  Example e;
  sln::UpsampleSumOp op;
  const int sizes[3][2] = {{2, 3}, {1, 2}, {4, 2}};
  for (int i = 0; i < count; ++i) {
    const int h = sizes[i][0], w = sizes[i][1], stride = 17 + i;
    op.sources[i] = {e.memory->floats(static_cast<size_t>(h * w * stride)), h, w, stride};
  }
  op.count = count, op.channels = 16;
  op.h = 4, op.w = 6, op.dst_stride = 21;
  op.dst = e.memory->floats(static_cast<size_t>(op.h * op.w * op.dst_stride)) + 2;
  e.op = op;
  return e;
}

// In one map: logits, probabilities and sums are parts of the same pixels.
Example softmax(int used, bool semdist, bool in_one_map) {
  Example e;
  sln::SoftmaxOp op;
  op.items = items_of(e, used);
  op.pixels_per_item = kPixels;
  op.channels = 5, op.zero_pad = 2;
  const size_t pixels = kRoom * kPixels;
  if (in_one_map) {
    float* const map = e.memory->floats(pixels * 31);
    op.src = map + 1, op.dst = map + 9, op.semdist = map + 22;
    op.src_stride = op.dst_stride = op.semdist_stride = 31;
  } else {
    op.src_stride = 6, op.dst_stride = 9, op.semdist_stride = 2;
    op.src = e.memory->floats(pixels * 6);
    op.dst = e.memory->floats(pixels * 9);
    op.semdist = e.memory->floats(pixels * 2);
  }
  if (!semdist) op.semdist = nullptr;
  e.op = op;
  return e;
}

Example proposals(int pre_nms) {
  Example e;
  sln::ProposalsOp op;
  op.grid = 3, op.anchors_per_cell = 2, op.side = 48;
  op.objectness_stride = 3, op.deltas_stride = 11;
  op.objectness = e.memory->floats(9 * 3);
  float* const deltas = e.memory->floats(9 * 11);
  std::for_each(deltas, deltas + 9 * 11, [](float& delta) { delta *= 0.1f; });
  op.deltas = deltas;
  auto* const anchors = e.memory->take<float>(18 * 4);
  for (int i = 0; i < 18; ++i) {
    const float anchor[4] = {static_cast<float>(i / 2 % 3) * 16 + 8, static_cast<float>(i / 6) * 16 + 8, 6, 7};
    std::copy_n(anchor, 4, anchors + 4 * i);
  }
  op.anchors = anchors;
  op.pre_nms = pre_nms, op.nms_iou = 1, op.max_rois = 20;
  op.boxes = e.memory->floats(20 * 4);
  op.scores = e.memory->floats(20);
  op.anchor_index = e.memory->take<int32_t>(20);
  op.count = e.memory->take<int32_t>(1);
  e.op = op;
  return e;
}

// The first box covers all of the map.
Example roi_align(int used) {
  Example e;
  sln::RoiAlignOp op;
  op.h = 4, op.w = 5, op.src_stride = 8, op.channels = 5;
  op.src = e.memory->floats(static_cast<size_t>(op.h * op.w * op.src_stride));
  op.items = items_of(e, used);
  auto* const boxes = e.memory->take<float>(kRoom * 4);
  for (int i = 0; i < kRoom; ++i) {
    const auto at = static_cast<float>(i);
    const float box[4] = {at, at * 2, 20 - at, 16 - at};
    std::copy_n(box, 4, boxes + 4 * i);
  }
  op.boxes = boxes;
  op.side = 3, op.dst_stride = 18;
  op.dst = e.memory->floats(static_cast<size_t>(kRoom * 9 * op.dst_stride)) + 1;
  e.op = op;
  return e;
}

Example refine(int used, bool residual) {
  Example e;
  sln::RefineOp op;
  const size_t cells = kRoom * kPixels;
  op.items = items_of(e, used);
  op.pixels_per_item = kPixels;
  op.channels = 5, op.logits_stride = 8;
  op.ilm_logits = e.memory->floats(cells * 8);
  if (residual) op.residual = e.memory->floats(cells * 8);
  op.layers = e.memory->floats(cells * 5);
  op.confidence = e.memory->floats(cells);
  op.level = e.memory->take<uint8_t>(cells);
  e.op = op;
  return e;
}

Example mask_planes(int used, int masks) {
  Example e;
  sln::MaskPlanesOp op;
  const size_t cells = kRoom * kPixels;
  op.items = items_of(e, used);
  op.pixels_per_item = kPixels;
  op.masks = masks, op.stride = 3;
  op.logits = e.memory->floats(cells * 3);
  op.layers = e.memory->floats(cells * (static_cast<size_t>(masks) + 1));
  op.confidence = e.memory->floats(cells);
  op.level = e.memory->take<uint8_t>(cells);
  e.op = op;
  return e;
}

Example resize() {
  Example e;
  sln::ResizeOp op;
  op.width = 9, op.height = 5, op.row_bytes = 30;
  auto* const pixels = e.host->take<uint8_t>(150);
  for (int i = 0; i < 150; ++i) pixels[i] = static_cast<uint8_t>(i * 37);
  op.pixels = pixels;
  op.side = 7, op.scaled_width = 7, op.scaled_height = 4;
  op.canvas = e.memory->floats(7 * 7 * 4);
  e.op = op;
  return e;
}

Example canvas_from_planes() {
  Example e;
  e.op = sln::CanvasFromPlanesOp{e.host->floats(3 * 5 * 5), e.memory->floats(5 * 5 * 4), 5};
  return e;
}

// Every op; of what has items, so many are in use. The convolutions are one for each of the CPU's plans.
std::vector<Example> examples(int used) {
  using sln::Activation;
  std::vector<Example> all;
  all.push_back(conv(used, {3, 20, 3, 2, 1, 1, Activation::kRelu}, Residual::kApart));
  all.push_back(conv(used, {6, 13, 1, 1, 0, 1, Activation::kNone}, Residual::kInPlace));
  all.push_back(conv(used, {33, 9, 3, 1, 1, 1, Activation::kRelu6}, Residual::kNone));
  all.push_back(conv(used, {5, 3, 3, 1, 1, 1, Activation::kNone}, Residual::kApart));
  for (const bool option : {false, true}) {
    all.push_back(softmax(used, option, false));
    all.push_back(softmax(used, option, true));
    all.push_back(refine(used, option));
    all.push_back(mask_planes(used, option ? 2 : 1));
  }
  all.push_back(roi_align(used));
  all.push_back(depthwise(3, 1));
  all.push_back(depthwise(5, 2));
  all.push_back(pool(sln::PoolKind::kMax, 5));
  all.push_back(pool(sln::PoolKind::kAverage, 19));
  for (const int count : {1, 2, 3}) all.push_back(upsample_sum(count));
  all.push_back(proposals(18));
  all.push_back(proposals(30));
  all.push_back(resize());
  all.push_back(canvas_from_planes());
  return all;
}

// Calls body(example, its op) for every example.
template <typename Body>
void for_each_op(int used, const Body& body) {
  int number = 0;
  for (Example& example : examples(used)) {
    INFO("example " << number++ << ", alternative " << example.op.index() << " of Op, items in use: " << used);
    std::visit([&](const auto& op) { body(example, op); }, example.op);
  }
}

template <typename T>
void run(const T& op) {
  static sln::cpu::ThreadPool pool(2);
  Guarded<uint8_t> scratch(sln::cpu::scratch_bytes(op, pool.threads()));
  sln::cpu::run(op, scratch.data(), pool);
  if (!scratch.intact()) throw std::runtime_error("memory outside of the scratch was written");
}

// What the op writes on ordinary memory, which is then as before.
template <typename T>
Written written_by(const T& op, Memory& memory) {
  const Memory::Bytes before = memory.bytes;
  run(op);
  Written result = written(op);
  memory.bytes = before;
  return result;
}

// The memory with everything but what the op is said to read replaced.
template <typename T>
Memory::Bytes spoilt(const Memory& memory, T op, std::byte garbage) {
  Memory::Bytes bytes;
  bytes.fill(garbage);
  each_buffer(op, [&](auto* pointer, const Rows& rows) {
    if constexpr (std::is_const_v<std::remove_pointer_t<decltype(pointer)>>) {
      const ptrdiff_t begin = reinterpret_cast<const std::byte*>(pointer) - memory.bytes.data();
      each_row(rows, sizeof *pointer, [&](size_t offset, size_t size) {
        std::copy_n(memory.bytes.begin() + begin + static_cast<ptrdiff_t>(offset), size,
                    bytes.begin() + begin + static_cast<ptrdiff_t>(offset));
      });
    }
  });
  return bytes;
}

// Values for an element that is read, one of which is to make a difference.
std::vector<float> other_values(float /*value*/) {
  return {std::numeric_limits<float>::quiet_NaN(), 1e4f, -1e4f};
}
std::vector<int32_t> other_values(int32_t value) {
  return {value - 1};
}

// True where what the op writes depends on the element.
template <typename T, typename Element>
bool depends_on(Element& element, const T& op, Memory& memory, const Written& expected) {
  const Element value = element;
  bool depends = false;
  for (const Element other : other_values(value)) {
    element = other;
    depends = depends || written_by(op, memory) != expected;
  }
  element = value;
  return depends;
}

}  // namespace

TEST_CASE("every op has an example") {
  std::set<size_t> found;
  for (const Example& example : examples(kAll)) found.insert(example.op.index());
  CHECK(found.size() == std::variant_size_v<sln::Op>);
}

TEST_CASE("rows do not overlap, and a counter is visited before those that it counts") {
  for_each_op(2, [](Example&, auto op) {
    std::set<const void*> visited;
    each_buffer(op, [&](const auto* pointer, const Rows& rows) {
      CHECK(pointer != nullptr);
      CHECK(rows.step >= rows.length);
      const bool only_row = rows.items.room * rows.per_item == 1;
      CHECK((!only_row || rows.step == rows.length));  // a step that nobody takes claims no memory
      CHECK((rows.items.used == nullptr || visited.count(rows.items.used) == 1));
      visited.insert(pointer);
    });
  });
}

TEST_CASE("an op needs no memory but the rows that are visited, and writes all of its rows") {
  for (const int used : {kAll, 0, 1, 2, kRoom}) {
    for_each_op(used, [](Example& example, const auto& op) {
      Memory& memory = *example.memory;
      const Written expected = written_by(op, memory);
      const Memory::Bytes ordinary = memory.bytes;
      for (const std::byte garbage : {std::byte{0xFF}, std::byte{0x7E}}) {  // NaN; 8e37
        const Memory::Bytes before = spoilt(memory, op, garbage);
        memory.bytes = before;
        CHECK_NOTHROW(run_on_spans<OnHeap>(op, [&](const auto& moved) {
          Memory::Bytes nothing;
          nothing.fill(std::byte{0xFF});
          memory.bytes = nothing;
          run(moved);
          CHECK((memory.bytes == nothing));
          memory.bytes = before;
          return 0;
        }));
        CHECK((written(op) == expected));
        memory.bytes = ordinary;
      }
    });
  }
}

TEST_CASE("an op depends on each element that it is said to read") {
  for (const int used : {kAll, 2}) {
    for_each_op(used, [](Example& example, auto op) {
      Memory& memory = *example.memory;
      const Written expected = written_by(op, memory);
      each_buffer(op, [&](auto* pointer, const Rows& rows) {
        using Element = std::remove_const_t<std::remove_pointer_t<decltype(pointer)>>;
        if constexpr (std::is_const_v<std::remove_pointer_t<decltype(pointer)>>) {
          auto* const elements = const_cast<Element*>(pointer);
          int64_t idle = 0;
          for (int64_t row = 0; row < rows.items.count() * rows.per_item; ++row)
            for (int64_t i = 0; i < rows.length; ++i)
              idle += depends_on(elements[row * rows.step + i], op, memory, expected) ? 0 : 1;
          CHECK(idle == 0);
        }
      });
    });
  }
}

TEST_CASE("what an op makes of an item does not depend on how many are in use") {
  std::vector<Written> all;
  for_each_op(kAll, [&](Example& example, const auto& op) { all.push_back(written_by(op, *example.memory)); });
  for (int used = 0; used <= kRoom; ++used) {
    size_t number = 0;
    for_each_op(used, [&](Example& example, const auto& op) {
      const Written some = written_by(op, *example.memory);
      const Written& whole = all[number++];
      REQUIRE(some.size() == whole.size());
      for (size_t i = 0; i < some.size(); ++i) {
        const std::vector<std::byte>&a = some[i].bytes, &b = whole[i].bytes;
        const bool has_items = a.size() != b.size();
        if (has_items) CHECK(a.size() == b.size() / kRoom * static_cast<size_t>(used));
        CHECK(std::equal(a.begin(), a.end(), b.begin()));
      }
    });
  }
}

}  // namespace sln_test
