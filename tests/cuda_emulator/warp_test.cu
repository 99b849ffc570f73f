#include <cmath>
#include <cstring>
#include <string>
#include <vector>

#include "tests/cuda_emulator/test_support.cuh"

namespace emulator {
namespace {

using Catch::Contains;

struct WarpParams {
  long long* out = nullptr;
  int kind = 0;
};

__device__ int lane_of() {
  return static_cast<int>(threadIdx.x % 32);
}

constexpr int kShuffles = 8;

__global__ void shuffles(WarpParams p) {
  const int me = lane_of();
  const long long value = 1000LL * static_cast<int>(threadIdx.x / 32) + me + (1LL << 40);
  long long* const out = p.out + kShuffles * threadIdx.x;
  out[0] = __shfl_sync(kAllLanes, value, 5);
  out[1] = __shfl_sync(kAllLanes, value, me + 3, 8);
  out[2] = __shfl_xor_sync(kAllLanes, value, 16);
  out[3] = __shfl_xor_sync(kAllLanes, value, 9, 8);
  out[4] = __shfl_up_sync(kAllLanes, value, 3);
  out[5] = __shfl_up_sync(kAllLanes, value, 3, 8);
  out[6] = __shfl_down_sync(kAllLanes, value, 3);
  out[7] = __shfl_down_sync(kAllLanes, value, 3, 8);
}

// The lanes that the shuffles above read, from their definition in the PTX manual.
std::vector<int> expected_lanes(int lane) {
  const int begin = lane / 8 * 8;
  const int end = begin + 8;
  const int partner = lane ^ 9;
  return {5,
          begin + (lane + 3) % 8,
          lane ^ 16,
          partner >= end ? lane : partner,
          lane - 3 < 0 ? lane : lane - 3,
          lane - 3 < begin ? lane : lane - 3,
          lane + 3 > 31 ? lane : lane + 3,
          lane + 3 >= end ? lane : lane + 3};
}

// Half-warps that go their own ways, and meet again.
__global__ void halves(WarpParams p) {
  const int me = lane_of();
  const bool low = me < 16;
  const unsigned mask = low ? 0x0000ffffu : 0xffff0000u;
  float sum = static_cast<float>(me);
  if (low) {
    for (int d = 8; d > 0; d /= 2) sum += __shfl_xor_sync(mask, sum, d);
  } else {
    for (int d = 1; d < 16; d *= 2) sum += __shfl_xor_sync(mask, sum, d);
  }
  __syncwarp();
  long long* const out = p.out + 4 * threadIdx.x;
  out[0] = static_cast<long long>(sum);
  out[1] = __ballot_sync(kAllLanes, me % 5 == 0);
  out[2] = 2 * __any_sync(mask, me == 3) + __all_sync(mask, me < 16);
  // A lane outside of the mask gives nothing that is defined.
  const float other = __shfl_sync(mask, sum, low ? 20 : 3);
  out[3] = std::isnan(other);
}

// A warp's lanes exchange through shared memory.
__global__ void through_shared(WarpParams p) {
  SLN_SHARED(int, values, [64]);
  const unsigned me = threadIdx.x;
  values[me] = static_cast<int>(me);
  __syncwarp();
  const int got = values[me ^ 1];
  __syncwarp();
  values[me] = got + 1;
  __syncwarp();
  p.out[me] = values[me ^ 1];
}

// A block's last warp has 8 lanes only.
__global__ void partial_warp(WarpParams p) {
  const unsigned mask = threadIdx.x < 32 ? kAllLanes : 0xffu;
  p.out[threadIdx.x] = __ballot_sync(mask, 1);
}

enum Wrong { kReturnedLane, kMissingLane, kNotItself, kOtherMask, kOtherPrimitive, kOtherLine, kWidth, kLeaves };

__global__ void wrong(WarpParams p) {
  const int me = lane_of();
  switch (p.kind) {
    case kReturnedLane:
      if (me == 7) return;
      __shfl_xor_sync(kAllLanes, me, 1);
      break;
    case kMissingLane:
      __ballot_sync(kAllLanes, 1);
      break;
    case kNotItself:
      __syncwarp(0x0000ffffu);
      break;
    case kOtherMask:
      __any_sync(me == 0 ? 0x3u : me < 2 ? 0x7u : 0xfffffffcu, 1);
      break;
    case kOtherPrimitive:
      me == 4 ? __any_sync(kAllLanes, 1) : __all_sync(kAllLanes, 1);
      break;
    case kOtherLine:
      if (me == 4) {
        __syncwarp();
      } else {
        __syncwarp();
      }
      break;
    case kWidth:
      __shfl_sync(kAllLanes, me, 0, 12);
      break;
    case kLeaves:
      if (me != 7) __syncwarp();
      break;
    default:
      break;
  }
}

std::string report_of(int kind, unsigned threads = 64) {
  WarpParams params;
  params.kind = kind;
  return broken([&] { return launch(wrong, dim3(2), dim3(threads), 0, nullptr, params); });
}

}  // namespace

TEST_CASE("shuffles read the lanes that the manual says") {
  in_every_order([] {
    DeviceArray<long long> out(kShuffles * 96);
    REQUIRE(launch(shuffles, dim3(1), dim3(96), 0, nullptr, {out.data(), 0}) == cudaSuccess);
    const std::vector<long long> values = out.host();
    for (int thread = 0; thread < 96; ++thread) {
      const std::vector<int> lanes = expected_lanes(thread % 32);
      for (int i = 0; i < kShuffles; ++i) {
        CAPTURE(thread, i);
        REQUIRE(values[static_cast<size_t>(thread * kShuffles + i)] ==
                1000LL * (thread / 32) + lanes[static_cast<size_t>(i)] + (1LL << 40));
      }
    }
  });
}

TEST_CASE("disjoint masks do not meet, and a lane outside of the mask gives poison") {
  in_every_order([] {
    DeviceArray<long long> out(4 * 64);
    REQUIRE(launch(halves, dim3(1), dim3(64), 0, nullptr, {out.data(), 0}) == cudaSuccess);
    const std::vector<long long> values = out.host();
    for (size_t i = 0; i < 64; ++i) {
      CAPTURE(i);
      const bool low = i % 32 < 16;
      REQUIRE(values[4 * i] == (low ? 120 : 376));
      REQUIRE(values[4 * i + 1] == 0x42108421);
      REQUIRE(values[4 * i + 2] == (low ? 3 : 0));
      REQUIRE(values[4 * i + 3] == 1);
    }
  });
}

TEST_CASE("__syncwarp orders a warp's shared memory, and a partial warp names the lanes that it has") {
  in_every_order([] {
    DeviceArray<long long> out(64);
    REQUIRE(launch(through_shared, dim3(1), dim3(64), 0, nullptr, {out.data(), 0}) == cudaSuccess);
    for (size_t i = 0; i < 64; ++i) REQUIRE(out.host()[i] == static_cast<long long>(i) + 1);
    REQUIRE(launch(partial_warp, dim3(1), dim3(40), 0, nullptr, {out.data(), 0}) == cudaSuccess);
    CHECK(out.host()[31] == 0xffffffffLL);
    CHECK(out.host()[32] == 0xff);
    CHECK(out.host()[39] == 0xff);
  });
}

TEST_CASE("a mask that names a lane that is gone is an error") {
  in_every_order([] {
    for (const int kind : {kReturnedLane, kLeaves}) {
      CHECK_THAT(report_of(kind), (Contains("lanes 0x00000080 have returned or do not exist") ||
                                   Contains("lane 7 has returned while lanes")) &&
                                      Contains("with mask 0xffffffff"));
    }
    CHECK_THAT(report_of(kMissingLane, 40),
               Contains("__ballot_sync") && Contains("0xffffff00 have returned or do not"));
  });
}

TEST_CASE("lanes that do not agree are an error") {
  in_every_order([] {
    CHECK_THAT(report_of(kNotItself), Contains("__syncwarp with mask 0x0000ffff, which does not name the lane itself"));
    CHECK_THAT(report_of(kOtherMask), Contains("calls __any_sync with mask 0x") && Contains(", while lanes 0x"));
    CHECK_THAT(report_of(kOtherPrimitive),
               Contains("__any_sync") && Contains("__all_sync") && Contains(", while lanes"));
    CHECK_THAT(report_of(kOtherLine), Contains("calls __syncwarp") && Contains("wait in __syncwarp at warp_test.cu:"));
    CHECK_THAT(report_of(kWidth), Contains("width is 12"));
  });
}

}  // namespace emulator
