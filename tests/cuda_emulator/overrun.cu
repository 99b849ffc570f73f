// Reads one byte or float that does not belong to the kernel, as the argument says: AddressSanitizer must end this.
#include <cstdio>
#include <string>

#include "kernels/cuda/launch.cuh"

namespace {

struct Params {
  float* global = nullptr;  // (10)
  int kind = 0;
};

const char* const kKinds[] = {"shared_behind", "shared_between", "dynamic_behind",
                              "global_behind", "global_before",  "global_freed"};

__global__ void overrun(Params p) {
  SLN_SHARED(float, rows, [2][10]);
  SLN_SHARED(float, other, [3]);
  SLN_DYN_SHARED(float, dynamic);
  const float* const places[] = {&rows[0][0] + 20, &other[0] + 3, dynamic + 5, p.global + 10, p.global - 1, p.global};
  const float got = *static_cast<const volatile float*>(places[p.kind]);
  __syncthreads();
  rows[threadIdx.x % 2][threadIdx.x % 10] = got;
}

}  // namespace

int main(int count, char** arguments) {
  Params params;
  cudaMalloc(&params.global, 10 * sizeof(float));
  while (count == 2 && params.kind < 6 && std::string(arguments[1]) != kKinds[params.kind]) ++params.kind;
  if (count != 2 || params.kind == 6) return 2;
  if (params.kind == 5) cudaFree(params.global);
  const cudaError_t error = sln::cuda::launch(overrun, dim3(2), dim3(64), 20, nullptr, params);
  std::printf("not found: %s\n", cudaGetErrorName(error));
  return 1;
}
