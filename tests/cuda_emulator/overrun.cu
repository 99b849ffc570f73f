// Reads one byte or float that does not belong to the kernel, as the argument says: AddressSanitizer must end this.
#include <cstdio>
#include <iterator>
#include <string>

#include "kernels/cuda/launch.cuh"

namespace {

struct Params {
  float* global = nullptr;  // (10)
  int kind = 0;
};

// far: a row of a convolution's tile further on; and behind all that the block has.
const char* const kKinds[] = {"shared_behind", "shared_between", "shared_far",    "shared_last_far", "dynamic_behind",
                              "dynamic_far",   "global_behind",  "global_before", "global_freed"};
constexpr int kFreed = static_cast<int>(std::size(kKinds)) - 1;

__global__ void overrun(Params p) {
  SLN_SHARED(float, rows, [2][10]);
  SLN_SHARED(float, other, [3]);
  SLN_DYN_SHARED(float, dynamic);
  float* const row = &rows[0][0];
  float* const last = &other[0];
  const float* const places[] = {row + 20,      last + 3,      row + 20 + 132, last + 10000, dynamic + 5,
                                 dynamic + 137, p.global + 10, p.global - 1,   p.global};
  const float got = *static_cast<const volatile float*>(places[p.kind]);
  __syncthreads();
  rows[threadIdx.x % 2][threadIdx.x % 10] = got;
}

}  // namespace

int main(int count, char** arguments) {
  Params params;
  cudaMalloc(&params.global, 10 * sizeof(float));
  while (count == 2 && params.kind <= kFreed && std::string(arguments[1]) != kKinds[params.kind]) ++params.kind;
  if (count != 2 || params.kind > kFreed) return 2;
  if (params.kind == kFreed) cudaFree(params.global);
  const cudaError_t error = sln::cuda::launch(overrun, dim3(2), dim3(64), 20, nullptr, params);
  std::printf("not found: %s\n", cudaGetErrorName(error));
  return 1;
}
