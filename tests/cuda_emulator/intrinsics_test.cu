#include <climits>
#include <cmath>
#include <cstdint>
#include <type_traits>
#include <vector>

#include "tests/cuda_emulator/test_support.cuh"

namespace emulator {
namespace {

struct AtomicParams {
  int* ints = nullptr;
  unsigned* words = nullptr;
  unsigned long long* longs = nullptr;
};

__global__ void atomics(AtomicParams p) {
  const int me = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
  const auto u = static_cast<unsigned>(me);
  atomicAdd(&p.ints[0], 1);
  atomicSub(&p.ints[1], 2);
  atomicMin(&p.ints[2], me - 500);
  atomicMax(&p.ints[3], me - 500);
  atomicAdd(&p.words[0], u);
  atomicMin(&p.words[1], u + 7);
  atomicMax(&p.words[2], u);
  atomicOr(&p.words[3], 1u << me % 32);
  atomicAnd(&p.words[4], ~(1u << me % 8));
  atomicXor(&p.words[5], u);
  atomicAdd(&p.longs[0], 1ull << 40);
  atomicMax(&p.longs[1], static_cast<unsigned long long>(me) << 32);
  atomicMin(&p.longs[2], static_cast<unsigned long long>(me) << 32 | 5);
}

template <class T>
std::vector<T> start(const DeviceArray<T>& device, const std::vector<T>& values) {
  REQUIRE(cudaMemcpy(device.data(), values.data(), values.size() * sizeof(T), cudaMemcpyHostToDevice) == cudaSuccess);
  return values;
}

}  // namespace

TEST_CASE("atomics of all blocks add up") {
  in_every_order([] {
    DeviceArray<int> ints(4);
    DeviceArray<unsigned> words(6);
    DeviceArray<unsigned long long> longs(3);
    start(ints, {0, 0, 0, -1000});
    start(words, {0u, ~0u, 0u, 0u, ~0u, 0u});
    start(longs, {0ull, 0ull, ~0ull});
    REQUIRE(launch(atomics, dim3(10), dim3(100), 0, nullptr, {ints.data(), words.data(), longs.data()}) == cudaSuccess);
    CHECK(ints.host() == std::vector<int>{1000, -2000, -500, 499});
    CHECK(words.host() == std::vector<unsigned>{499500, 7, 999, ~0u, 0xffffff00u, 0});
    CHECK(longs.host() == std::vector<unsigned long long>{1000ull << 40, 999ull << 32, 5});
  });
}

TEST_CASE("bit intrinsics") {
  CHECK(__popc(0xf0f0u) == 8);
  CHECK(__popcll(~0ull) == 64);
  CHECK((__clz(0) == 32 && __clz(1) == 31 && __clz(-1) == 0));
  CHECK((__clzll(0) == 64 && __clzll(1) == 63 && __clzll(-1) == 0));
  CHECK((__ffs(0) == 0 && __ffs(1) == 1 && __ffs(INT_MIN) == 32));
  CHECK((__ffsll(0) == 0 && __ffsll(1LL << 40) == 41));
  CHECK((__brev(1) == 0x80000000u && __brev(0x12345678u) == 0x1e6a2c48u));
}

TEST_CASE("__dp4a multiplies bytes of either sign and wraps") {
  CHECK(__dp4a(0x01020304, 0x01010101, 5) == 15);
  CHECK(__dp4a(static_cast<int>(0x80ff017fu), 0x02030405, 0) == -256 - 3 + 4 + 127 * 5);
  CHECK(__dp4a(0xffffffffu, 0xffffffffu, 1u) == 4u * 255 * 255 + 1);
  CHECK(__dp4a(0x01, 0x01, INT_MAX) == INT_MIN);
}

TEST_CASE("reinterpretation, minimum and maximum") {
  CHECK(__float_as_int(-0.0f) == INT_MIN);
  CHECK(__float_as_uint(1.0f) == 0x3f800000u);
  CHECK(__int_as_float(0x40000000) == 2.0f);
  CHECK(std::isnan(__uint_as_float(0x7fc00000u)));
  CHECK((min(-1, 2) == -1 && max(-1, 2) == 2 && max(~0u, 1u) == ~0u && min(5ull, 6ull) == 5 && max(-5LL, -6LL) == -5));
}

TEST_CASE("vector types have CUDA's size and alignment") {
  CHECK((sizeof(float2) == 8 && alignof(float2) == 8));
  CHECK((sizeof(float3) == 12 && alignof(float3) == 4));
  CHECK((sizeof(float4) == 16 && alignof(float4) == 16));
  CHECK((sizeof(int4) == 16 && alignof(uint4) == 16));
  CHECK((sizeof(uchar4) == 4 && alignof(uchar4) == 4 && alignof(short4) == 8));
  CHECK((sizeof(ulonglong2) == 16 && alignof(ulonglong2) == 16 && sizeof(double4) == 32 && alignof(double4) == 16));
  const float4 v = make_float4(1, 2, 3, 4);
  CHECK(v.x + v.y + v.z + v.w == 10);
  const float values[8] = {};
  static_assert(std::is_same_v<decltype(vec<float4>(values)), const float4*>);
  const dim3 d(5, 6);
  CHECK((d.x == 5 && d.y == 6 && d.z == 1));
}

}  // namespace emulator
