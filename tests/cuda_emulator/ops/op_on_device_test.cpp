// The harness itself: that it sees what a kernel must not do. Device memory of the emulator is read and written here
// without a kernel.
#include "tests/support/op_on_device.h"

#include <catch2/catch.hpp>
#include <cstdint>
#include <cstring>
#include <limits>
#include <vector>

#include "emulator/control.h"

namespace sln_test {
namespace {

// Reads rows of 3 floats and writes rows of 2 floats and bytes.
struct TestOp {
  const float* src = nullptr;
  float* dst = nullptr;
  uint8_t* flags = nullptr;
  sln::Items items;
};

template <typename Visit>
void each_buffer(TestOp& op, const Visit& visit) {
  visit_used(op.items, visit);
  visit(op.src, sln::Rows{op.items, 2, 3, 4});
  visit(op.dst, sln::Rows{op.items, 2, 2, 5});
  if (op.flags != nullptr) visit(op.flags, sln::Rows{op.items, 1, 1, 1});
}

constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();

// Writes a number and as many floats.
struct CountingOp {
  int32_t* count = nullptr;
  float* dst = nullptr;
};

template <typename Visit>
void each_buffer(CountingOp& op, const Visit& visit) {
  visit(op.count, sln::Rows{{1}});
  visit(op.dst, sln::Rows{{3, op.count}});
}

struct Buffers {
  std::vector<float> src = std::vector<float>(23, 1.0f);  // 6 rows of 3 floats, 4 apart
  std::vector<float> dst = std::vector<float>(27, 2.0f);  // 6 rows of 2 floats, 5 apart
  std::vector<uint8_t> flags = std::vector<uint8_t>(3, 3);
  int32_t used = 2;
  TestOp op() { return {src.data(), dst.data(), flags.data(), {3, &used}}; }
};

}  // namespace

TEST_CASE("an op on the device finds its buffers there, and its rows come back") {
  Buffers b;
  const TestOp op = b.op();
  const size_t before = emulator::live_allocations();
  CHECK(run_on_device(op, [&](const TestOp& moved) {
          CHECK(emulator::live_allocations() == before + 4);
          CHECK((moved.src != op.src && moved.dst != op.dst && moved.flags != op.flags));
          CHECK(moved.items.used != op.items.used);
          CHECK(moved.items.count() == 2);
          CHECK(moved.src[22] == 1);
          moved.dst[0] = 7, moved.dst[16] = 8, moved.flags[1] = 9;
          return 0;
        }) == 0);
  CHECK(emulator::live_allocations() == before);
  CHECK(b.dst[0] == 7);
  CHECK(b.dst[16] == 8);
  CHECK(b.dst[1] == 2);
  CHECK(b.flags == std::vector<uint8_t>{3, 9, 3});
}

TEST_CASE("what an op must not write is found") {
  const auto writes = [](auto change) {
    Buffers b;
    return [b, change]() mutable {
      run_on_device(b.op(), [&](const TestOp& moved) {
        change(moved);
        return 0;
      });
    };
  };
  const auto found = [&](auto change) { CHECK_THROWS_AS(writes(change)(), std::runtime_error); };
  CHECK_NOTHROW(writes([](const TestOp&) {})());
  found([](const TestOp& op) { const_cast<float*>(op.src)[0] = 5; });  // an input
  found([](const TestOp& op) { const_cast<int32_t&>(*op.items.used) = 3; });
  found([](const TestOp& op) { op.dst[2] = 5; });   // between two rows
  found([](const TestOp& op) { op.dst[20] = 5; });  // of an item not in use
  found([](const TestOp& op) { op.flags[2] = 5; });
}

TEST_CASE("how many rows an op may write is what it has counted itself") {
  for (const int32_t counted : {0, 1, 2, 3, -1, 4}) {
    CAPTURE(counted);
    std::vector<float> dst(3, 1.0f);
    int32_t count = 77;
    const auto run = [&] {
      run_on_device(CountingOp{&count, dst.data()}, [&](const CountingOp& moved) {
        *moved.count = counted;
        moved.dst[1] = 5;
        return 0;
      });
    };
    if (counted < 2 || counted > 3) {
      CHECK_THROWS_AS(run(), std::runtime_error);
    } else {
      CHECK_NOTHROW(run());
      CHECK(count == counted);
      CHECK(dst == std::vector<float>{1, 5, 1});
    }
  }
}

TEST_CASE("buffers that share memory share it on the device") {
  std::vector<float> all(40, 1.0f);
  const TestOp op = {all.data(), all.data() + 2, nullptr, {3}};
  CHECK(run_on_device(op, [&](const TestOp& moved) {
          CHECK(moved.dst == moved.src + 2);
          moved.dst[0] = 6;
          return 0;
        }) == 0);
  CHECK(all[2] == 6);
}

TEST_CASE("an op without items has no memory on the device, and errors come through") {
  const size_t before = emulator::live_allocations();
  CHECK(run_on_device(TestOp{}, [&](const TestOp& moved) {
          CHECK(emulator::live_allocations() == before);
          CHECK(moved.src == nullptr);
          return 0;
        }) == 0);
  CHECK(run_on_device(TestOp{}, [](const TestOp&) { return 719; }) == 719);
  Buffers b;
  CHECK_THROWS_AS(run_on_device(b.op(), [](const TestOp&) -> int { throw std::invalid_argument("no"); }),
                  std::invalid_argument);
  CHECK(emulator::live_allocations() == before);
}

TEST_CASE("packed into one block, an op finds its buffers, aligned as the host's, and its scratch") {
  Buffers b;
  const auto run = [&](auto change) {
    return run_packed_on_device(b.op(), 100, [&](const TestOp& moved, std::byte* scratch) {
      const auto place = [](const void* pointer) { return reinterpret_cast<uintptr_t>(pointer) % 64; };
      CHECK(place(scratch) == 0);
      CHECK(place(moved.src) == place(b.src.data()));
      CHECK(place(moved.items.used) == place(&b.used));
      CHECK(scratch[99] == std::byte{0xFF});
      CHECK(moved.src[22] == 1);
      change(moved, scratch);
      return 0;
    });
  };
  CHECK(run([](const TestOp& op, std::byte* scratch) { op.dst[0] = 7, scratch[99] = std::byte{1}; }) == 0);
  CHECK(b.dst[0] == 7);
  const auto found = [&](auto change) { CHECK_THROWS_AS(run(change), std::runtime_error); };
  found([](const TestOp& op, std::byte*) { op.flags[3] = 5; });  // behind the last element
  found([](const TestOp& op, std::byte*) { op.dst[27] = 5; });
  found([](const TestOp& op, std::byte*) { op.dst[2] = 5; });  // between two rows
  found([](const TestOp&, std::byte* scratch) { scratch[100] = std::byte{1}; });
  found([](const TestOp&, std::byte* scratch) { scratch[-1] = std::byte{1}; });
}

TEST_CASE("what was written differs by its elements, any NaN being as good as any other") {
  Buffers a, b;
  const auto change = [&](float one, float other) {
    a.dst[5] = one, b.dst[5] = other;
    return difference(written(a.op()), written(b.op()));
  };
  CHECK(change(2, 2) == "");
  CHECK(change(kNaN, -kNaN) == "");
  float finite = 0;
  std::memset(&finite, 0x7F, sizeof finite);
  for (const float other : {2.0f, 0.0f, finite, std::numeric_limits<float>::infinity()}) {
    CHECK(change(kNaN, other) != "");
    CHECK(change(other, kNaN) != "");
  }
  CHECK(change(0.0f, -0.0f) == "output 0, element 2: 0, not -0");
  a.dst[5] = b.dst[5];
  b.used = 1;
  CHECK(difference(written(a.op()), written(b.op())) == "output 0 has 8 elements, not 4");
}

}  // namespace sln_test
