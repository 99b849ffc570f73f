// Marks functions that both the CPU and the GPU call. Outside of kernels/cuda, the one file that knows __CUDACC__.
#pragma once

#if defined(__CUDACC__)
#define SLN_HD __host__ __device__
#else
#define SLN_HD
#endif
