#include <set>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "tests/cuda_emulator/test_support.cuh"

namespace emulator {
namespace {

using Catch::Contains;

struct LaunchParams {
  int* out = nullptr;
  float unused[20] = {};
};

// Each thread of the grid counts its own place.
__global__ void __launch_bounds__(1024, 1) places(LaunchParams p, int add, int more) {
  const unsigned block = blockIdx.x + gridDim.x * (blockIdx.y + gridDim.y * blockIdx.z);
  const unsigned thread = threadIdx.x + blockDim.x * (threadIdx.y + blockDim.y * threadIdx.z);
  atomicAdd(&p.out[block * (blockDim.x * blockDim.y * blockDim.z) + thread], add + more);
}

__global__ void nothing(LaunchParams) {}

__global__ void throws(LaunchParams) {
  if (threadIdx.x == 5) throw std::runtime_error("no");
}

// Writes down the order in which threads and blocks run; one worker.
__global__ void sequence(LaunchParams p) {
  const int place = atomicAdd(&p.out[0], 1);
  p.out[1 + place] = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
}

// The orders before and after a barrier, in one block.
__global__ void two_phases(LaunchParams p) {
  SLN_SHARED(int, count, );
  if (threadIdx.x == 0) count = 0;
  __syncthreads();
  p.out[atomicAdd(&count, 1)] = static_cast<int>(threadIdx.x);
}

std::vector<int> phase(const char* order, unsigned threads) {
  set_order(order);
  DeviceArray<int> out(threads);
  REQUIRE(launch(two_phases, dim3(1), dim3(threads), 0, nullptr, {out.data(), {}}) == cudaSuccess);
  return out.host();
}

cudaError_t launch_shape(dim3 grid, dim3 block) {
  return launch(nothing, grid, block, 0, nullptr, {});
}

}  // namespace

TEST_CASE("every thread of the grid runs once, with its place and its arguments") {
  in_every_order([] {
    for (const dim3 grid : {dim3(1), dim3(2), dim3(13), dim3(3, 4, 5)}) {
      for (const dim3 block : {dim3(1), dim3(37), dim3(4, 3, 2), dim3(1024)}) {
        const size_t n = size_t{grid.x} * grid.y * grid.z * block.x * block.y * block.z;
        DeviceArray<int> out(n);
        REQUIRE(launch(places, grid, block, 0, nullptr, {out.data(), {}}, 41, 1) == cudaSuccess);
        REQUIRE(out.host() == std::vector<int>(n, 41));
      }
    }
  });
}

TEST_CASE("launches beyond a card's limits are refused, and change nothing") {
  const dim3 good(2);
  for (const dim3 grid : {dim3(0), dim3(1, 0), dim3(1, 1, 0), dim3(0x80000000u), dim3(1, 65536), dim3(1, 1, 65536)}) {
    CHECK(launch_shape(grid, good) == cudaErrorInvalidConfiguration);
    CHECK_THAT(last_report(), Contains("launch refused: a grid of ("));
  }
  for (const dim3 block : {dim3(0), dim3(1, 0), dim3(1, 1, 0), dim3(1025), dim3(1, 1025), dim3(1, 1, 65), dim3(32, 33),
                           dim3(1024, 1024, 64), dim3(65536, 65536)}) {
    CHECK(launch_shape(good, block) == cudaErrorInvalidConfiguration);
    CHECK_THAT(last_report(), Contains("launch refused: a block of ("));
  }
  CHECK(cudaPeekAtLastError() == cudaErrorInvalidConfiguration);
  CHECK(cudaGetLastError() == cudaErrorInvalidConfiguration);
  CHECK(cudaGetLastError() == cudaSuccess);
  for (const dim3 block : {dim3(1024), dim3(1, 1024), dim3(16, 1, 64)}) CHECK(launch_shape(good, block) == cudaSuccess);
  for (const dim3 grid : {dim3(1, 65535), dim3(1, 1, 65535), dim3(70000)}) {
    CHECK(launch_shape(grid, dim3(1)) == cudaSuccess);
  }
  void (*const none)(LaunchParams) = nullptr;
  CHECK(launch(none, good, good, 0, nullptr, {}) == cudaErrorInvalidDeviceFunction);
  reset();
}

TEST_CASE("a failed launch leaves its error on every later call until reset") {
  DeviceArray<int> out(64);
  CHECK(launch(throws, dim3(1), dim3(32), 0, nullptr, {}) == cudaErrorLaunchFailure);
  CHECK_THAT(last_report(), Contains("the kernel has thrown an exception") && Contains("thread (5,0,0)"));
  int value = 0;
  void* more = nullptr;
  CHECK(launch(nothing, dim3(1), dim3(1), 0, nullptr, {}) == cudaErrorLaunchFailure);
  CHECK(cudaMalloc(&more, 10) == cudaErrorLaunchFailure);
  CHECK(cudaMemcpy(&value, out.data(), 4, cudaMemcpyDeviceToHost) == cudaErrorLaunchFailure);
  CHECK(cudaMemset(out.data(), 0, 4) == cudaErrorLaunchFailure);
  CHECK(cudaGetLastError() == cudaErrorLaunchFailure);
  CHECK(cudaGetLastError() == cudaErrorLaunchFailure);
  CHECK(std::string(cudaGetErrorName(cudaErrorLaunchFailure)) == "cudaErrorLaunchFailure");
  CHECK(std::string(cudaGetErrorString(cudaErrorLaunchFailure)) == "unspecified launch failure");
  reset();
  CHECK(cudaGetLastError() == cudaSuccess);
  CHECK(last_report().empty());
  CHECK(launch(nothing, dim3(1), dim3(1), 0, nullptr, {}) == cudaSuccess);
}

TEST_CASE("threads run up, down, or as the seed says") {
  std::vector<int> up(100);
  for (int i = 0; i < 100; ++i) up[static_cast<size_t>(i)] = i;
  CHECK(phase("up", 100) == up);
  CHECK(phase("down", 100) == std::vector<int>(up.rbegin(), up.rend()));
  std::set<std::vector<int>> seen = {up, {up.rbegin(), up.rend()}};
  for (const char* seed : {"1", "2", "3"}) {
    const std::vector<int> order = phase(seed, 100);
    CHECK(order == phase(seed, 100));
    CHECK(std::set<int>(order.begin(), order.end()).size() == 100);
    seen.insert(order);
  }
  CHECK(seen.size() == 5);
  CHECK_THROWS_AS(set_order("sideways"), std::invalid_argument);
  CHECK_THROWS_AS(set_order("3rd"), std::invalid_argument);
  set_order("");
}

TEST_CASE("every thread and block has its turn in a seeded order") {
  in_every_order([] {
    constexpr unsigned kBlocks = 50;
    DeviceArray<int> out(1 + kBlocks * 33);
    REQUIRE(cudaMemset(out.data(), 0, sizeof(int)) == cudaSuccess);
    REQUIRE(launch(sequence, dim3(kBlocks), dim3(33), 0, nullptr, {out.data(), {}}) == cudaSuccess);
    const std::vector<int> order = out.host();
    CHECK(std::set<int>(order.begin() + 1, order.end()).size() == kBlocks * 33);
    CHECK(*std::max_element(order.begin() + 1, order.end()) == kBlocks * 33 - 1);
  });
}

TEST_CASE("after a test has set an order, it is again as at the beginning") {
  set_order("");
  const auto report = [] { return broken([] { return launch(throws, dim3(1), dim3(32), 0, nullptr, {}); }); };
  const std::string order = report();
  set_order("up");
  CHECK_THAT(report(), Contains("[EMU_ORDER=up]"));
  set_order("");
  CHECK(report() == order);
}

TEST_CASE("a launch on a stream that does not exist is refused, and changes nothing") {
  DeviceArray<int> out(2);
  cudaStream_t stream = nullptr;
  REQUIRE(cudaStreamCreate(&stream) == cudaSuccess);
  const auto run = [&](cudaStream_t on) { return launch(places, dim3(1), dim3(2), 0, on, {out.data(), {}}, 1, 0); };
  CHECK(run(stream) == cudaSuccess);
  CHECK(run(nullptr) == cudaSuccess);
  REQUIRE(cudaStreamDestroy(stream) == cudaSuccess);
  cudaStream_t other = nullptr;
  REQUIRE(cudaStreamCreate(&other) == cudaSuccess);
  int local = 0;
  for (const cudaStream_t none : {stream, reinterpret_cast<cudaStream_t>(&local)}) {
    CHECK(run(none) == cudaErrorInvalidResourceHandle);
    CHECK_THAT(last_report(), Contains("a launch on no stream"));
    CHECK(cudaGetLastError() == cudaErrorInvalidResourceHandle);
  }
  CHECK(run(other) == cudaSuccess);
  CHECK(cudaStreamDestroy(other) == cudaSuccess);
  CHECK(out.host() == std::vector<int>(2, 2));
  reset();
}

TEST_CASE("events tell the time between what was enqueued, and refuse what was not recorded") {
  cudaEvent_t from = nullptr;
  cudaEvent_t to = nullptr;
  REQUIRE(cudaEventCreate(&from) == cudaSuccess);
  REQUIRE(cudaEventCreate(&to) == cudaSuccess);
  float milliseconds = -1;
  REQUIRE(cudaEventRecord(from) == cudaSuccess);
  CHECK(cudaEventElapsedTime(&milliseconds, from, to) == cudaErrorInvalidResourceHandle);
  CHECK(milliseconds == -1);
  REQUIRE(cudaEventRecord(to) == cudaSuccess);
  REQUIRE(cudaEventElapsedTime(&milliseconds, from, to) == cudaSuccess);
  CHECK(milliseconds >= 0);
  CHECK(cudaEventRecord(nullptr) == cudaErrorInvalidResourceHandle);
  cudaStream_t stream = nullptr;
  REQUIRE(cudaStreamCreate(&stream) == cudaSuccess);
  REQUIRE(cudaStreamDestroy(stream) == cudaSuccess);
  CHECK(cudaEventRecord(to, stream) == cudaErrorInvalidResourceHandle);
  CHECK(cudaEventDestroy(from) == cudaSuccess);
  CHECK(cudaEventDestroy(to) == cudaSuccess);
}

TEST_CASE("several host threads launch at once") {
  DeviceArray<int> out(4 * 640);
  REQUIRE(cudaMemset(out.data(), 0, 4 * 640 * sizeof(int)) == cudaSuccess);
  std::vector<std::thread> hosts;
  for (int t = 0; t < 4; ++t) {
    hosts.emplace_back([&, t] {
      for (int i = 0; i < 50; ++i) launch(places, dim3(10), dim3(64), 0, nullptr, {out.data() + 640 * t, {}}, t, 1);
    });
  }
  for (std::thread& host : hosts) host.join();
  const std::vector<int> values = out.host();
  for (size_t i = 0; i < values.size(); ++i) REQUIRE(values[i] == 50 * (static_cast<int>(i / 640) + 1));
}

TEST_CASE("the device says what it is") {
  int count = 0;
  CHECK(cudaGetDeviceCount(&count) == cudaSuccess);
  CHECK(count == 1);
  CHECK(cudaSetDevice(0) == cudaSuccess);
  CHECK(cudaSetDevice(1) == cudaErrorInvalidDevice);
  CHECK(cudaGetLastError() == cudaErrorInvalidDevice);
  cudaDeviceProp properties;
  REQUIRE(cudaGetDeviceProperties(&properties, 0) == cudaSuccess);
  CHECK(properties.sharedMemPerBlock == 48 * 1024);
  CHECK(properties.warpSize == warpSize);
  cudaFuncAttributes attributes;
  REQUIRE(cudaFuncGetAttributes(&attributes, nothing) == cudaSuccess);
  CHECK(attributes.maxThreadsPerBlock == 1024);
}

}  // namespace emulator
