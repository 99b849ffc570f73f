#include <string>
#include <vector>

#include "tests/cuda_emulator/test_support.cuh"

namespace emulator {
namespace {

using Catch::Contains;

struct BarrierParams {
  int* out = nullptr;
  int kind = 0;
};

// Every thread reads what its neighbour wrote before the barrier, round after round.
__global__ void rotate(BarrierParams p, int rounds) {
  SLN_SHARED(int, values, [1024]);
  const unsigned n = blockDim.x * blockDim.y * blockDim.z;
  const unsigned me = threadIdx.x + blockDim.x * (threadIdx.y + blockDim.y * threadIdx.z);
  values[me] = static_cast<int>(me);
  for (int i = 0; i < rounds; ++i) {
    __syncthreads();
    const int next = values[(me + 1) % n];
    __syncthreads();
    values[me] = next;
  }
  p.out[blockIdx.x * n + me] = values[me];
}

__global__ void votes(BarrierParams p) {
  const int me = static_cast<int>(threadIdx.x);
  int* const out = p.out + 5 * me;
  out[0] = __syncthreads_count(me % 3 == 0);
  out[1] = __syncthreads_or(me == 17);
  out[2] = __syncthreads_or(me == 1000);
  out[3] = __syncthreads_and(me < 1000);
  out[4] = __syncthreads_and(me != 17);
}

// The kinds of a wrong barrier.
enum Wrong { kBranches, kReturnBefore, kReturnWhileWaiting, kFunctions, kWarpAgainstBlock };

__global__ void wrong(BarrierParams p) {
  const unsigned me = threadIdx.x;
  switch (p.kind) {
    case kBranches:
      if (me < 5) {
        __syncthreads();
      } else {
        __syncthreads();
      }
      break;
    case kReturnBefore:
      if (me == 3) return;
      __syncthreads();
      break;
    case kReturnWhileWaiting:
      if (me != 3) __syncthreads();
      break;
    case kFunctions:
      me == 3 ? __syncthreads_or(1) : __syncthreads_and(1);
      break;
    case kWarpAgainstBlock:
      if (me == 3) {
        __syncthreads();
      } else {
        __syncwarp();
      }
      break;
    default:
      break;
  }
}

std::string report_of(int kind, unsigned threads) {
  BarrierParams params;
  params.kind = kind;
  return broken([&] { return launch(wrong, dim3(3), dim3(threads), 0, nullptr, params); });
}

// Whole blocks may leave before the barriers of others.
__global__ void odd_blocks_leave(BarrierParams p) {
  SLN_SHARED(int, sum, );
  if (blockIdx.x % 2 == 1) return;
  if (threadIdx.x == 0) sum = 0;
  __syncthreads();
  atomicAdd(&sum, 1);
  __syncthreads();
  if (threadIdx.x == 0) p.out[blockIdx.x] = sum;
}

}  // namespace

TEST_CASE("barriers order what threads write and read, in blocks of any shape") {
  in_every_order([] {
    for (const dim3 block :
         {dim3(1), dim3(2), dim3(31), dim3(33), dim3(256), dim3(1024), dim3(8, 4, 3), dim3(1, 1, 64)}) {
      const unsigned n = block.x * block.y * block.z;
      CAPTURE(block.x, block.y, block.z);
      DeviceArray<int> out(5 * n);
      REQUIRE(launch(rotate, dim3(5), block, 0, nullptr, {out.data(), 0}, 7) == cudaSuccess);
      const std::vector<int> values = out.host();
      for (unsigned i = 0; i < 5 * n; ++i) REQUIRE(values[i] == static_cast<int>((i % n + 7) % n));
    }
  });
}

TEST_CASE("barriers count, or and and their predicates") {
  in_every_order([] {
    DeviceArray<int> out(5 * 100);
    REQUIRE(launch(votes, dim3(1), dim3(100), 0, nullptr, {out.data(), 0}) == cudaSuccess);
    const std::vector<int> values = out.host();
    for (size_t i = 0; i < values.size(); i += 5) {
      REQUIRE(std::vector<int>(values.begin() + i, values.begin() + i + 5) == std::vector<int>{34, 1, 0, 1, 0});
    }
  });
}

TEST_CASE("threads at different barriers are an error that names both lines") {
  in_every_order([] {
    const std::string text = report_of(kBranches, 40);
    CHECK_THAT(text, Contains("divergent barrier") && Contains("__syncthreads at barrier_test.cu:") &&
                         Contains("waits in") && Contains("block (") && Contains(",0,0), thread ("));
    CHECK_THAT(report_of(kFunctions, 40),
               Contains("divergent barrier") && Contains("__syncthreads_or at") && Contains("__syncthreads_and at"));
  });
}

TEST_CASE("a return before, while or after others wait is an error in every order") {
  in_every_order([] {
    for (const int kind : {kReturnBefore, kReturnWhileWaiting}) {
      CHECK_THAT(report_of(kind, 40),
                 Contains("has returned while thread (") || Contains("after 1 threads of the block have returned"));
    }
  });
  set_order("up");
  CHECK_THAT(report_of(kReturnBefore, 40), Contains("a thread has returned while thread (0,0,0) waits in __syncthreads "
                                                    "at barrier_test.cu:") &&
                                               Contains("thread (3,0,0)"));
  CHECK_THAT(report_of(kReturnBefore, 4), Contains("thread (3,0,0)"));
  set_order("down");
  CHECK_THAT(report_of(kReturnBefore, 4), Contains("__syncthreads at barrier_test.cu:") &&
                                              Contains("after 1 threads") && Contains("thread (2,0,0)"));
}

TEST_CASE("threads that wait for each other in different ways are a deadlock") {
  in_every_order([] {
    CHECK_THAT(report_of(kWarpAgainstBlock, 32),
               Contains("deadlock") && Contains("1 threads, first thread (3,0,0), wait in __syncthreads at") &&
                   Contains("warp 0: lanes 0xfffffff7 wait in __syncwarp at") && Contains("mask 0xffffffff"));
  });
}

TEST_CASE("whole blocks may return early") {
  in_every_order([] {
    DeviceArray<int> out(9);
    REQUIRE(launch(odd_blocks_leave, dim3(9), dim3(65), 0, nullptr, {out.data(), 0}) == cudaSuccess);
    CHECK(out.host() == std::vector<int>{65, -1, 65, -1, 65, -1, 65, -1, 65});
  });
}

}  // namespace emulator
