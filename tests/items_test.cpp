// Batches of which a part is in use: every op with Items works on the items that a counter in memory says, and on no
// other.
#include "kernels/items.h"

#include <catch2/catch.hpp>
#include <cstring>
#include <memory>
#include <type_traits>
#include <vector>

#include "engine/op.h"
#include "kernels/cpu/parallel.h"
#include "tests/support/op_buffers.h"

namespace {

using sln::Items;
using sln_test::Guarded;

constexpr int kRoom = 5;
constexpr int kSide = 4;  // P
constexpr int kCells = kSide * kSide;

// The memory of an op: inputs are random, outputs poisoned.
class Memory {
 public:
  const float* in(size_t floats) {
    sln_test::Random random(static_cast<uint32_t>(7 + inputs_.size()));
    inputs_.push_back(random.vector(floats, -3, 3));
    return inputs_.back().data();
  }
  float* out(size_t floats) {
    outputs_.push_back(std::make_unique<Guarded<float>>(floats));
    return outputs_.back()->data();
  }
  uint8_t* bytes(size_t count) {
    levels_ = std::make_unique<Guarded<uint8_t>>(count);
    return levels_->data();
  }
  // Everything that was written, in rows of an item each.
  std::vector<std::vector<uint32_t>> items() const {
    std::vector<std::vector<uint32_t>> rows(kRoom);
    for (const auto& output : outputs_) {
      CHECK(output->intact());
      const std::vector<float> values = output->values();
      const size_t each = values.size() / kRoom;
      for (size_t i = 0; i < values.size(); ++i) {
        uint32_t bits = 0;
        std::memcpy(&bits, &values[i], sizeof bits);
        rows[i / each].push_back(bits);
      }
    }
    if (levels_ != nullptr) {
      CHECK(levels_->intact());
      const std::vector<uint8_t> values = levels_->values();
      for (size_t i = 0; i < values.size(); ++i) rows[i / (values.size() / kRoom)].push_back(values[i]);
    }
    return rows;
  }

 private:
  std::vector<std::vector<float>> inputs_;
  std::vector<std::unique_ptr<Guarded<float>>> outputs_;
  std::unique_ptr<Guarded<uint8_t>> levels_;
};

sln::Op make_conv(Memory& memory, const Items& items) {
  static Guarded<float> packed(1 << 12);
  sln::ConvOp op;
  op.desc = {3, 16, 3, 1, 1, 1, sln::Activation::kRelu};
  op.src = memory.in(kRoom * kCells * 4);
  op.batch = items;
  op.in_h = op.in_w = op.out_h = op.out_w = kSide;
  op.src_stride = 4;
  op.dst = memory.out(kRoom * kCells * 16);
  op.dst_stride = 16;
  REQUIRE(sln::cpu::packed_bytes(op.desc) <= packed.size() * sizeof(float));
  op.weights = sln::cpu::pack(op.desc, memory.in(16 * 27), nullptr, packed.data());
  return op;
}

sln::Op make_softmax(Memory& memory, const Items& items) {
  sln::SoftmaxOp op;
  op.src = memory.in(kRoom * kCells * 8);
  op.items = items;
  op.pixels_per_item = kCells;
  op.src_stride = op.dst_stride = 8;
  op.channels = 5;
  op.dst = memory.out(kRoom * kCells * 8);
  op.zero_pad = 3;
  op.semdist = memory.out(kRoom * kCells);
  op.semdist_stride = 1;
  return op;
}

sln::Op make_refine(Memory& memory, const Items& items) {
  sln::RefineOp op;
  op.ilm_logits = memory.in(kRoom * kCells * 8);
  op.residual = memory.in(kRoom * kCells * 8);
  op.items = items;
  op.pixels_per_item = kCells;
  op.logits_stride = 8;
  op.channels = 5;
  op.layers = memory.out(kRoom * kCells * 5);
  op.confidence = memory.out(kRoom * kCells);
  op.level = memory.bytes(kRoom * kCells);
  return op;
}

sln::Op make_mask_planes(Memory& memory, const Items& items) {
  sln::MaskPlanesOp op;
  op.logits = memory.in(kRoom * kCells * 2);
  op.items = items;
  op.pixels_per_item = kCells;
  op.stride = op.masks = 2;
  op.layers = memory.out(kRoom * kCells * 3);
  op.confidence = memory.out(kRoom * kCells);
  op.level = memory.bytes(kRoom * kCells);
  return op;
}

sln::Op make_roi_align(Memory& memory, const Items& items) {
  static std::vector<float> boxes;
  boxes.clear();
  for (int i = 0; i < kRoom; ++i) {
    const auto at = static_cast<float>(i);
    boxes.insert(boxes.end(), {at, at, at + 9, at + 5});
  }
  sln::RoiAlignOp op;
  op.src = memory.in(size_t{8} * 8 * 3);
  op.h = op.w = 8;
  op.src_stride = op.channels = 3;
  op.boxes = boxes.data();
  op.items = items;
  op.side = kSide;
  op.dst = memory.out(kRoom * kCells * 16);
  op.dst_stride = 16;
  return op;
}

std::vector<std::vector<uint32_t>> run(sln::Op (*make)(Memory&, const Items&), const Items& items) {
  Memory memory;
  const sln::Op op = make(memory, items);
  sln::cpu::ThreadPool pool(2);
  std::visit([&](const auto& one) { sln::cpu::run(one, nullptr, pool); }, op);
  return memory.items();
}

}  // namespace

TEST_CASE("Items in use are computed, and later slots are left as they were") {
  for (const auto make : {make_conv, make_softmax, make_refine, make_mask_planes, make_roi_align}) {
    const auto untouched = run(make, {0});
    const auto all = run(make, {kRoom});
    for (size_t i = 0; i < kRoom; ++i) REQUIRE(all[i] != untouched[i]);
    for (int32_t used = 0; used <= kRoom; ++used) {
      CAPTURE(make == make_conv, make == make_softmax, make == make_refine, make == make_mask_planes, used);
      const auto rows = run(make, {kRoom, &used});
      for (int32_t i = 0; i < kRoom; ++i) {
        const auto slot = static_cast<size_t>(i);
        CHECK(rows[slot] == (i < used ? all[slot] : untouched[slot]));
      }
    }
  }
}

TEST_CASE("An op's buffers are visited, the counter before the rows that it counts") {
  const int32_t used = 2;
  for (const auto make : {make_conv, make_softmax, make_refine, make_mask_planes, make_roi_align}) {
    Memory memory;
    sln::Op op = make(memory, {kRoom, &used});
    int reads = 0, writes = 0, counted = 0;
    std::visit(
        [&](auto& one) {
          each_buffer(one, [&](auto& pointer, const sln::Rows& rows) {
            using Pointer = std::remove_reference_t<decltype(pointer)>;
            constexpr bool kRead = std::is_const_v<std::remove_pointer_t<Pointer>>;
            (kRead ? reads : writes) += 1;
            if (static_cast<const void*>(pointer) == &used) {
              CHECK(counted == 0);
              CHECK(kRead);
            }
            counted += rows.items.used == nullptr ? 0 : 1;
            CHECK(rows.step >= rows.length);
          });
        },
        op);
    CHECK(reads >= 2);
    CHECK(writes >= 1);
    CHECK(counted >= 2);
  }
}
