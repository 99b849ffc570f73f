// The depthwise convolution's rows, for tests that make problems of their own.
#pragma once

#include "tests/cases/op_case.h"

namespace sln_test {

struct DepthwiseRow {
  int h, w, channels;
  int kernel, stride;
  int pad, out_h, out_w;
  sln::Activation activation = sln::Activation::kRelu6;
  bool bias = true;
  int extra_src = 0, extra_dst = 0;  // floats of a pixel behind ceil16(channels)
  int shift = 0;                     // floats
};

// As the encoder has them: stride 1 keeps the size, stride 2 halves even sides with kernel - 2 zeros in all.
DepthwiseRow depthwise_row(int h, int w, int channels, int kernel, int stride);

OpProblem depthwise_problem(const DepthwiseRow& row, bool nasty, uint32_t seed);

}  // namespace sln_test
