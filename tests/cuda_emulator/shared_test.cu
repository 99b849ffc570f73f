#include <cstdint>
#include <string>
#include <vector>

#include "tests/cuda_emulator/test_support.cuh"

namespace emulator {
namespace {

using Catch::Contains;

struct SharedParams {
  int* out = nullptr;
  int at = 0;
  int array = 0;
  bool give_up = false;
};

template <class T>
__device__ T* per_type() {
  SLN_SHARED(T, values, [3]);
  return values;
}

// All threads of a block see the same arrays; what is in them is theirs alone and 0xFF at first.
__global__ void arrays(SharedParams p) {
  SLN_SHARED(int, table, [4][5]);
  SLN_SHARED(unsigned char, bytes, [3]);
  SLN_DYN_SHARED(int, dynamic);
  const unsigned me = threadIdx.x;
  int wrong = table[3][4] != -1 || bytes[me % 3] != 255 || dynamic[9] != -1 || per_type<float>()[0] == 1.0f;
  const auto aligned = [](const void* a) { return reinterpret_cast<uintptr_t>(a) % 16 == 0; };
  wrong += !aligned(table) + !aligned(bytes) + !aligned(dynamic);
  const void* const first = per_type<int>();
  wrong += first == static_cast<const void*>(per_type<float>()) || first != per_type<int>();
  wrong += sizeof table != 80 || sizeof bytes != 3;
  __syncthreads();
  if (me == 33) {
    table[1][2] = 5;
    dynamic[7] = 6;
    bytes[2] = 7;
    per_type<int>()[2] = 8;
  }
  __syncthreads();
  wrong += table[1][2] + dynamic[7] + bytes[2] + per_type<int>()[2] != 26;
  p.out[blockIdx.x * blockDim.x + me] = wrong;
  __syncthreads();
  table[3][4] = dynamic[9] = 1;  // the next block must not see it
  bytes[0] = bytes[1] = 1;
  per_type<float>()[0] = 1.0f;
}

// AddressSanitizer would end the process here: emulator_overrun shows that.
__attribute__((no_sanitize_address)) __global__ void write_at(SharedParams p) {
  SLN_SHARED(int, first, [10]);
  SLN_SHARED(int, second, [3]);
  SLN_DYN_SHARED(int, dynamic);
  volatile int* const arrays[] = {first, second, dynamic};
  if (threadIdx.x == 1) arrays[p.array][p.at] = 1;
  if (p.give_up) __syncwarp(0);
}

cudaError_t write(int array, int index, bool give_up = false) {
  return launch(write_at, dim3(2), dim3(40), 20, nullptr, {nullptr, index, array, give_up});
}

std::string report_of(int array, int index) {
  return broken([&] { return write(array, index); });
}

// A third of the blocks has one array, a third another and a third none; they write all of it, and as many floats more.
template <int kFloats>
__device__ void write_all(SharedParams p) {
  SLN_SHARED(float, values, [kFloats]);
  if (values[threadIdx.x] == values[threadIdx.x]) atomicAdd(p.out, 1);  // was not NaN
  __syncthreads();
  for (unsigned i = threadIdx.x; i < kFloats; i += blockDim.x) values[i] = 1.0f;
}

__attribute__((no_sanitize_address)) __global__ void different(SharedParams p) {
  SLN_DYN_SHARED(float, dynamic);
  if (blockIdx.x % 3 == 0) write_all<200>(p);
  if (blockIdx.x % 3 == 1) write_all<5000>(p);
  if (blockIdx.x == 30 && threadIdx.x == 0 && p.at != 0) static_cast<volatile float*>(dynamic)[30000] = 1.0f;
}

template <int kFloats>
__global__ void fill(SharedParams p) {
  SLN_SHARED(float, values, [kFloats]);
  values[kFloats - 1] = 1.0f;
  if (threadIdx.x == 0) p.out[0] = static_cast<int>(values[kFloats - 1]);
}

__global__ void read_vector(SharedParams p) {
  SLN_SHARED(float, values, [16]);
  const float4 v = vec<float4>(&values[p.at])[1];
  if (v.x == 1.0f) p.out[0] = 1;
}

__global__ void dynamic_only(SharedParams p) {
  SLN_DYN_SHARED(unsigned char, bytes);
  bytes[p.at - 1] = 3;
  p.out[0] = bytes[p.at - 1];
}

}  // namespace

TEST_CASE("shared arrays belong to a block, begin as 0xFF and are one per declaration and type") {
  in_every_order([] {
    DeviceArray<int> out(20 * 64);
    REQUIRE(launch(arrays, dim3(20), dim3(64), 40, nullptr, {out.data(), 0}) == cudaSuccess);
    CHECK(out.host() == std::vector<int>(20 * 64, 0));
  });
}

TEST_CASE("a write past a shared array is found when the block ends") {
  in_every_order([] {
    CHECK_THAT(report_of(0, 10), Contains("0 bytes behind first (shared_test.cu:") && Contains("which has 40"));
    CHECK_THAT(report_of(0, 41), Contains("124 bytes behind first"));
    CHECK_THAT(report_of(1, 3), Contains("0 bytes behind second") && Contains("which has 12") && Contains("block ("));
    CHECK_THAT(report_of(1, -1), Contains("behind first"));
    CHECK_THAT(report_of(2, 5), Contains("0 bytes behind the dynamic array, which has 20"));
    CHECK_THAT(report_of(2, -2), Contains("in front of the first array"));
    REQUIRE(write(0, 9) == cudaSuccess);
    REQUIRE(write(1, 2) == cudaSuccess);
    REQUIRE(write(2, 4) == cudaSuccess);
  });
}

TEST_CASE("a write far from every shared array is found when its block or the launch ends") {
  in_every_order([] {
    CHECK_THAT(report_of(0, 10 + 132), Contains("528 bytes behind first"));  // a row of a tile
    CHECK_THAT(report_of(1, 3 + 512), Contains("2048 bytes behind second") && Contains("block ("));
    CHECK_THAT(report_of(2, 5 + 512), Contains("2048 bytes behind the dynamic array"));
    CHECK_THAT(report_of(2, -1024), Contains("in front of the first array"));
    // 4 bytes of alignment behind the last one.
    for (const int far : {1025, 2000, 12288}) {
      CHECK_THAT(report_of(1, 3 + far), Contains(std::to_string(4 * far - 4) + " bytes behind a block's last array"));
    }
    REQUIRE(write(1, 2) == cudaSuccess);
  });
}

TEST_CASE("what a block that was given up has written is not found in the next launch") {
  for (const int far : {0, 2, 3, 500, 2000, 12288}) {
    CHECK_THAT(broken([&] { return write(1, far, true); }), Contains("__syncwarp"));
    for (int i = 0; i < 20; ++i) REQUIRE(write(0, 9) == cudaSuccess);
  }
}

// Blocks whose arrays lie elsewhere than those of the block before: what was an array is guarded, what was not is free.
TEST_CASE("blocks of one worker may have different arrays") {
  in_every_order([] {
    DeviceArray<int> out(1);
    REQUIRE(cudaMemset(out.data(), 0, sizeof(int)) == cudaSuccess);
    CHECK(launch(different, dim3(60), dim3(33), 0, nullptr, {out.data(), 0}) == cudaSuccess);
    CHECK(launch(different, dim3(60), dim3(33), 4000, nullptr, {out.data(), 0}) == cudaSuccess);
    CHECK(out.host()[0] == 0);
    CHECK_THAT(broken([&] {
                 return launch(different, dim3(60), dim3(33), 0, nullptr, {out.data(), 1});
               }),
               Contains("bytes behind "));
  });
}

TEST_CASE("a block has 48 KB, static and dynamic together") {
  DeviceArray<int> out(1);
  const SharedParams params = {out.data(), 0};
  CHECK(launch(fill<12288>, dim3(1), dim3(2), 0, nullptr, params) == cudaSuccess);
  CHECK(launch(fill<12284>, dim3(1), dim3(2), 16, nullptr, params) == cudaSuccess);
  CHECK_THAT(broken([&] { return launch(fill<12289>, dim3(1), dim3(2), 0, nullptr, params); }),
             Contains("values wants 49156 bytes, 0 of 49152 are in use") && Contains("shared_test.cu:"));
  CHECK_THAT(broken([&] { return launch(fill<12288>, dim3(1), dim3(2), 16, nullptr, params); }),
             Contains("values wants 49152 bytes, 16 of 49152 are in use"));
  CHECK(launch(dynamic_only, dim3(1), dim3(1), 49152, nullptr, {out.data(), 49152}) == cudaSuccess);
  CHECK(launch(dynamic_only, dim3(1), dim3(1), 49153, nullptr, {out.data(), 1}) == cudaErrorInvalidValue);
  CHECK_THAT(last_report(), Contains("49153 bytes of dynamic shared memory"));
  CHECK(cudaGetLastError() == cudaErrorInvalidValue);
  CHECK(cudaDeviceSynchronize() == cudaSuccess);
}

TEST_CASE("vectors are read at multiples of their size") {
  DeviceArray<int> out(1);
  for (const int at : {0, 4, 8})
    CHECK(launch(read_vector, dim3(1), dim3(1), 0, nullptr, {out.data(), at}) == cudaSuccess);
  for (const int at : {1, 2, 7}) {
    CHECK_THAT(broken([&] {
                 return launch(read_vector, dim3(1), dim3(1), 0, nullptr, {out.data(), at});
               }),
               Contains(std::to_string(4 * at % 16) + " bytes off a multiple of 16") && Contains("shared_test.cu:"));
  }
}

}  // namespace emulator
