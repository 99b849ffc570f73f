// A kernel of the one statement that CMakeLists.txt gives, to show that it does or does not compile.
#include "kernels/cuda/launch.cuh"

namespace {

__global__ void kernel(float x, int i) {
  SLN_STATEMENT;
}

}  // namespace

void (*const used)(float, int) = kernel;
