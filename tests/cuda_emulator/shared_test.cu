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
  if (threadIdx.x == 1) arrays[p.at / 1000][p.at % 1000 - 100] = 1;
}

std::string report_of(int array, int index) {
  return broken([&] {
    return launch(write_at, dim3(2), dim3(40), 20, nullptr, {nullptr, 1000 * array + 100 + index});
  });
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
    for (const int last : {9, 1002, 2004}) {
      REQUIRE(launch(write_at, dim3(2), dim3(40), 20, nullptr, {nullptr, last + 100}) == cudaSuccess);
    }
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
