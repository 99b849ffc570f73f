// The convolution's rows, for tests that make problems of their own.
#pragma once

#include "tests/cases/op_case.h"

namespace sln_test {

struct ConvRow {
  int batch, h, w;  // of the map
  int in, out;      // channels
  int kernel, stride, pad, dilation;
  sln::Activation activation = sln::Activation::kNone;
  bool bias = true;
  bool residual = false;
  bool in_place = false;     // the residual is dst itself
  int extra_src = 0;         // src_stride - in
  int extra_dst = 0;         // dst_stride - ceil16(out)
  int extra_residual = 0;    // residual_stride - out
  int out_h = 0, out_w = 0;  // 0: as the usual formula has it
  int used = kAll;           // items
  int shift = 0;             // floats
};

OpProblem conv_problem(const ConvRow& row, bool nasty, uint32_t seed);

}  // namespace sln_test
