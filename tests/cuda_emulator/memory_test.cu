#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "tests/cuda_emulator/asan.h"
#include "tests/cuda_emulator/test_support.cuh"

namespace emulator {
namespace {

using Catch::Contains;

struct MemoryParams {
  unsigned char* data = nullptr;
  long long at = 0;
};

__attribute__((no_sanitize_address)) __global__ void write_byte(MemoryParams p) {
  static_cast<volatile unsigned char*>(p.data)[p.at] = 1;
}

__device__ unsigned deep(unsigned n, volatile unsigned char* data) {
  volatile unsigned char frame[1024];
  frame[n % 1024] = data[0];
  return n == 0 ? 0 : deep(n - 1, frame) + frame[n % 1024];
}

__global__ void overflow(MemoryParams p) {
  p.data[0] = static_cast<unsigned char>(deep(1000, p.data));
}

// A card gives some number, x86 a signal.
__global__ void divide(MemoryParams p) {
  p.data[0] = static_cast<unsigned char>(100 / (p.at - static_cast<long long>(threadIdx.x)));
}

std::string report_of(const DeviceArray<unsigned char>& array, long long at) {
  return broken([&] { return launch(write_byte, dim3(1), dim3(1), 0, nullptr, {array.data(), at}); });
}

}  // namespace

TEST_CASE("device memory is aligned, filled with 0xFF and counted") {
  const size_t before = live_allocations();
  for (const size_t bytes : {size_t{1}, size_t{63}, size_t{64}, size_t{256}, size_t{4096}, size_t{100000}}) {
    CAPTURE(bytes);
    DeviceArray<unsigned char> array(bytes);
    CHECK(live_allocations() == before + 1);
    CHECK(reinterpret_cast<uintptr_t>(array.data()) % 256 == 0);
    CHECK(array.host() == std::vector<unsigned char>(bytes, 255));
  }
  CHECK(live_allocations() == before);
  void* nothing = &nothing;
  CHECK(cudaMalloc(&nothing, 0) == cudaSuccess);
  CHECK(nothing == nullptr);
  CHECK(cudaFree(nullptr) == cudaSuccess);
  CHECK(cudaMalloc(&nothing, std::numeric_limits<size_t>::max()) == cudaErrorMemoryAllocation);
  CHECK(nothing == nullptr);
  CHECK(cudaGetLastError() == cudaErrorMemoryAllocation);
  CHECK(cudaGetLastError() == cudaSuccess);
}

TEST_CASE("a kernel that writes outside of an allocation is found after the launch") {
  DeviceArray<unsigned char> other(10);
  DeviceArray<unsigned char> array(1000);
  CHECK_THAT(report_of(array, 1000),
             Contains("a kernel has written 0 bytes behind allocation ") && Contains("which has 1000 bytes"));
  CHECK_THAT(report_of(array, 1023), Contains("23 bytes behind allocation "));
  for (const int at : {-1, -256, -257, -2816}) {
    CHECK_THAT(report_of(array, at), Contains("a kernel has written before allocation "));
  }
  CHECK_THAT(report_of(other, 10), Contains("which has 10 bytes"));
  CHECK(launch(write_byte, dim3(1), dim3(1), 0, nullptr, {array.data(), 999}) == cudaSuccess);
  CHECK(launch(write_byte, dim3(1), dim3(1), 0, nullptr, {array.data(), 0}) == cudaSuccess);
}

TEST_CASE("a host that wrote behind an allocation is found when it is freed") {
  unsigned char* data = nullptr;
  REQUIRE(cudaMalloc(&data, 100) == cudaSuccess);
  unpoison(data + 100, 1);
  data[100] = 1;
  CHECK(cudaFree(data) == cudaErrorLaunchFailure);
  CHECK_THAT(last_report(), Contains("found when it was freed: written 0 bytes behind allocation "));
  reset();
}

TEST_CASE("an access that no memory answers gives the block up, and the process lives") {
  if (kAsan) return;  // which ends the process itself
  DeviceArray<unsigned char> array(1000);
  CHECK_THAT(report_of(array, 1280), Contains("an access that no memory answers, 280 bytes behind allocation ") &&
                                         Contains("block (0,0,0), thread (0,0,0)"));
  CHECK_THAT(report_of(array, -7000), Contains("7000 bytes before allocation "));
  CHECK_THAT(report_of(array, -reinterpret_cast<intptr_t>(array.data())), Contains("in no allocation"));
  unsigned char* freed = nullptr;
  REQUIRE(cudaMalloc(&freed, 100) == cudaSuccess);
  REQUIRE(cudaFree(freed) == cudaSuccess);
  CHECK_THAT(broken([&] {
               return launch(write_byte, dim3(1), dim3(1), 0, nullptr, {freed, 5});
             }),
             Contains("byte 5 of allocation ") && Contains("and is freed"));
  CHECK_THAT(broken([&] {
               return launch(overflow, dim3(4), dim3(2), 0, nullptr, {array.data(), 0});
             }),
             Contains("the thread's stack has overflowed"));
  CHECK_THAT(broken([&] {
               return launch(divide, dim3(1), dim3(6), 0, nullptr, {array.data(), 5});
             }),
             Contains("an integer division by zero") && Contains("thread (5,0,0)"));
  CHECK(launch(write_byte, dim3(1), dim3(1), 0, nullptr, {array.data(), 0}) == cudaSuccess);
}

TEST_CASE("cudaFree refuses what it has not given") {
  DeviceArray<unsigned char> array(1000);
  int local = 0;
  for (void* pointer : {static_cast<void*>(&local), static_cast<void*>(array.data() + 256)}) {
    CHECK(cudaFree(pointer) == cudaErrorInvalidValue);
    CHECK_THAT(last_report(), Contains("cudaFree of what cudaMalloc has not given"));
  }
  unsigned char* twice = nullptr;
  REQUIRE(cudaMalloc(&twice, 10) == cudaSuccess);
  CHECK(cudaFree(twice) == cudaSuccess);
  CHECK(cudaFree(twice) == cudaErrorInvalidValue);
  CHECK_THAT(last_report(), Contains("and is freed"));
  CHECK(cudaGetLastError() == cudaErrorInvalidValue);
  CHECK(cudaDeviceSynchronize() == cudaSuccess);
}

TEST_CASE("copies are between the sides that they name") {
  DeviceArray<int> a(10);
  DeviceArray<int> b(10);
  std::vector<int> host(10, 7);
  std::vector<int> more(10, 8);
  const auto copied = [](void* to, const void* from, cudaMemcpyKind kind) { return cudaMemcpy(to, from, 40, kind); };
  CHECK(copied(a.data(), host.data(), cudaMemcpyHostToDevice) == cudaSuccess);
  CHECK(copied(b.data(), a.data(), cudaMemcpyDeviceToDevice) == cudaSuccess);
  CHECK(copied(more.data(), b.data(), cudaMemcpyDeviceToHost) == cudaSuccess);
  CHECK(more == host);
  CHECK(copied(more.data(), host.data(), cudaMemcpyHostToHost) == cudaSuccess);

  const auto refused = [&](void* to, const void* from, cudaMemcpyKind kind, const char* why) {
    CHECK(copied(to, from, kind) == cudaErrorInvalidValue);
    CHECK_THAT(last_report(), Contains(why));
    CHECK(cudaMemcpyAsync(to, from, 40, kind) == cudaErrorInvalidValue);
  };
  refused(a.data(), b.data(), cudaMemcpyHostToDevice, "copy from the host: 40 bytes from byte 0 of allocation ");
  refused(a.data(), b.data(), cudaMemcpyDeviceToHost, "copy to the host: 40 bytes from byte 0 of allocation ");
  refused(a.data(), host.data(), cudaMemcpyHostToHost, "copy to the host");
  refused(host.data(), a.data(), cudaMemcpyHostToHost, "copy from the host");
  refused(host.data(), a.data(), cudaMemcpyHostToDevice, "copy to: 40 bytes from in no allocation");
  refused(a.data(), host.data(), cudaMemcpyDeviceToHost, "copy to the host");
  refused(host.data(), host.data(), cudaMemcpyDeviceToDevice, "copy to");
  refused(a.data(), b.data() + 10, cudaMemcpyHostToDevice, "40 bytes from 0 bytes behind allocation ");
  int* freed = nullptr;
  REQUIRE(cudaMalloc(&freed, 40) == cudaSuccess);
  REQUIRE(cudaFree(freed) == cudaSuccess);
  refused(a.data(), freed, cudaMemcpyHostToDevice, "and is freed");
  CHECK(a.host() == host);
  reset();
}

TEST_CASE("a copy of rows leaves what lies between them") {
  const std::vector<char> host = {1, 2, 3, 4, 5, 6, 7, 8};
  char* device = nullptr;
  REQUIRE(cudaMalloc(&device, 10) == cudaSuccess);
  REQUIRE(cudaMemset(device, 9, 10) == cudaSuccess);
  REQUIRE(cudaMemcpy2DAsync(device, 5, host.data(), 4, 3, 2, cudaMemcpyHostToDevice) == cudaSuccess);
  std::vector<char> back(10);
  REQUIRE(cudaMemcpy(back.data(), device, 10, cudaMemcpyDeviceToHost) == cudaSuccess);
  CHECK(back == std::vector<char>{1, 2, 3, 9, 9, 5, 6, 7, 9, 9});
  CHECK(cudaMemcpy2DAsync(device, 2, host.data(), 4, 3, 2, cudaMemcpyHostToDevice) == cudaErrorInvalidValue);
  CHECK(cudaMemcpy2DAsync(device, 5, host.data(), 4, 3, 3, cudaMemcpyHostToDevice) == cudaErrorInvalidValue);
  CHECK(cudaMemcpy2DAsync(device, 5, device, 4, 3, 2, cudaMemcpyHostToDevice) == cudaErrorInvalidValue);
  CHECK(cudaFree(device) == cudaSuccess);
}

TEST_CASE("copies and fills stay in one allocation") {
  DeviceArray<unsigned char> a(100);
  DeviceArray<unsigned char> b(100);
  std::vector<unsigned char> host(200, 7);
  cudaStream_t stream = nullptr;
  REQUIRE(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking) == cudaSuccess);
  CHECK(cudaMemcpyAsync(a.data(), host.data(), 100, cudaMemcpyHostToDevice, stream) == cudaSuccess);
  CHECK(cudaMemsetAsync(a.data() + 50, 9, 50, stream) == cudaSuccess);
  CHECK(cudaMemcpy(b.data() + 1, a.data(), 99, cudaMemcpyDeviceToDevice) == cudaSuccess);
  CHECK(cudaStreamSynchronize(stream) == cudaSuccess);
  CHECK(b.host()[0] == 255);
  CHECK(b.host()[50] == 7);
  CHECK(b.host()[99] == 9);

  CHECK(cudaMemcpy(a.data() + 1, host.data(), 100, cudaMemcpyHostToDevice) == cudaErrorInvalidValue);
  CHECK_THAT(last_report(), Contains("copy to: 100 bytes from byte 1 of allocation "));
  CHECK(cudaMemcpy(host.data(), a.data(), 101, cudaMemcpyDeviceToHost) == cudaErrorInvalidValue);
  CHECK(cudaMemcpy(host.data(), host.data() + 100, 10, cudaMemcpyDeviceToHost) == cudaErrorInvalidValue);
  CHECK(cudaMemset(a.data() + 100, 0, 1) == cudaErrorInvalidValue);
  CHECK(cudaMemset(a.data() + 100, 0, 0) == cudaSuccess);

  CHECK(cudaGetLastError() == cudaErrorInvalidValue);
  CHECK(cudaStreamDestroy(stream) == cudaSuccess);
  CHECK(cudaStreamSynchronize(stream) == cudaErrorInvalidResourceHandle);
  CHECK(cudaStreamDestroy(stream) == cudaErrorInvalidResourceHandle);
  CHECK(cudaGetLastError() == cudaErrorInvalidResourceHandle);
}

}  // namespace emulator
