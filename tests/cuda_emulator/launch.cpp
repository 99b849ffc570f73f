// A launch: limits, workers that take block after block, and what is to be checked when all are done.
#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "emulator/runtime_api.h"
#include "kernels/cpu/parallel.h"
#include "tests/cuda_emulator/block.h"
#include "tests/cuda_emulator/fault.h"
#include "tests/cuda_emulator/memory.h"
#include "tests/cuda_emulator/order.h"
#include "tests/cuda_emulator/report.h"
#include "tests/cuda_emulator/stream.h"

namespace emulator {
namespace {

constexpr unsigned kMaxGridX = 0x7fffffff;
constexpr unsigned kMaxGridYZ = 65535;
constexpr unsigned kMaxBlockXY = 1024;
constexpr unsigned kMaxBlockZ = 64;
// Stacks are two mappings each, of which a process may have 65530.
constexpr int kMaxWorkers = 16;

// Kernels are compiled for AVX2 and FMA, with all that stands in their files: this runs before any of it. 77 is what
// ctest is told to take for a skipped test.
__attribute__((constructor(101))) void check_cpu() {
  __builtin_cpu_init();
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return;
  std::fprintf(stderr, "CUDA emulator: this CPU lacks AVX2 or FMA, for which the kernels are compiled\n");
  std::_Exit(77);
}

int worker_count() {
  const char* const text = std::getenv("EMU_THREADS");
  const int wanted = text != nullptr ? std::atoi(text) : static_cast<int>(std::thread::hardware_concurrency());
  return std::clamp(wanted, 1, kMaxWorkers);
}

// The workers outlive launches, with their stacks. One launch at a time.
struct Workers {
  Workers() : pool(worker_count()) {
    for (int i = 0; i < pool.threads(); ++i) blocks.push_back(std::make_unique<Block>());
  }
  std::mutex mutex;
  sln::cpu::ThreadPool pool;
  std::vector<std::unique_ptr<Block>> blocks;
};

Workers& workers() {
  static Workers all;
  return all;
}

std::string text_of_extent(const dim3& e) {
  return text_of(uint3{e.x, e.y, e.z});
}

bool in_range(const dim3& e, unsigned x, unsigned y, unsigned z) {
  return e.x >= 1 && e.x <= x && e.y >= 1 && e.y <= y && e.z >= 1 && e.z <= z;
}

// A launch that a card would refuse changes nothing and is no lost context.
cudaError_t check(const LaunchShape& shape, const KernelCall* call) {
  std::string what;
  cudaError_t error = cudaErrorInvalidConfiguration;
  if (call == nullptr) {
    what = "no kernel";
    error = cudaErrorInvalidDeviceFunction;
  } else if (!in_range(shape.grid, kMaxGridX, kMaxGridYZ, kMaxGridYZ)) {
    what = "a grid of " + text_of_extent(shape.grid) + " blocks";
  } else if (!in_range(shape.block, kMaxBlockXY, kMaxBlockXY, kMaxBlockZ) ||
             uint64_t{shape.block.x} * shape.block.y * shape.block.z > kMaxThreads) {
    what = "a block of " + text_of_extent(shape.block) + " threads";
  } else if (shape.dynamic_bytes > kSharedLimit) {
    what = std::to_string(shape.dynamic_bytes) + " bytes of dynamic shared memory";
    error = cudaErrorInvalidValue;
  } else {
    return cudaSuccess;
  }
  return refuse("launch refused: " + what, error);
}

bool run_grid(Workers& all, const LaunchShape& shape, const KernelCall& call) {
  const uint64_t blocks = uint64_t{shape.grid.x} * shape.grid.y * shape.grid.z;
  const Order order = current_order();
  const Permutation permutation(order, blocks);
  std::atomic<uint64_t> next{0};
  std::atomic<bool> failed{false};
  const auto parts = static_cast<int64_t>(std::min<uint64_t>(blocks, static_cast<uint64_t>(all.pool.threads())));
  all.pool.parallel_for(parts, [&](int64_t, int64_t, int worker) {
    FaultGuard::prepare_thread();
    Block& block = *all.blocks[static_cast<size_t>(worker)];
    block.begin_launch(shape, call, order);
    while (!failed) {
      const uint64_t i = next.fetch_add(1);
      if (i >= blocks) break;
      if (!block.run(permutation(i))) failed = true;
    }
    if (!failed && !block.end_launch()) failed = true;
  });
  return !failed;
}

}  // namespace

cudaError_t enqueue(const LaunchShape& shape, std::unique_ptr<const KernelCall> call, cudaStream_t stream) {
  if (sticky_error() != cudaSuccess) return remember(sticky_error());
  if (!is_stream(stream)) return refuse("a launch on no stream", cudaErrorInvalidResourceHandle);
  const cudaError_t refused = check(shape, call.get());
  if (refused != cudaSuccess) return refused;
  Workers& all = workers();
  const std::lock_guard<std::mutex> lock(all.mutex);
  const FaultGuard faults;
  bool good = run_grid(all, shape, *call);
  const std::string damage = DeviceMemory::instance().damage();
  if (!damage.empty()) {
    report("a kernel has written " + damage);
    good = false;
  }
  if (good) return cudaSuccess;
  make_sticky(cudaErrorLaunchFailure);
  return remember(cudaErrorLaunchFailure);
}

cudaError_t function_attributes(cudaFuncAttributes* attributes) {
  *attributes = {};
  attributes->maxThreadsPerBlock = static_cast<int>(kMaxThreads);
  return remember(sticky_error());
}

}  // namespace emulator
