#include "tests/naive/conv.h"

#include <cmath>

namespace sln::naive {
namespace {

float activate(Activation activation, float x) {
  // Comparisons, not std::max: NaN stays NaN, -0 stays -0.
  if (activation != Activation::kNone && x < 0.0f) x = 0.0f;
  if (activation == Activation::kRelu6 && x > 6.0f) x = 6.0f;
  return x;
}

size_t at(int item, int h, int y, int w, int x, int stride) {
  return ((static_cast<size_t>(item) * h + y) * w + x) * stride;
}

}  // namespace

float conv_at(const ConvOp& p, const float* weights, const float* bias, int item, int y, int x, int channel) {
  float sum = 0.0f;
  for (int r = 0; r < p.desc.kernel; ++r) {
    for (int s = 0; s < p.desc.kernel; ++s) {
      const int iy = y * p.desc.stride - p.desc.pad + r * p.desc.dilation;
      const int ix = x * p.desc.stride - p.desc.pad + s * p.desc.dilation;
      const bool inside = iy >= 0 && iy < p.in_h && ix >= 0 && ix < p.in_w;
      for (int c = 0; c < p.desc.in_channels; ++c) {
        const float value = inside ? p.src[at(item, p.in_h, iy, p.in_w, ix, p.src_stride) + c] : 0.0f;
        const size_t tap =
            ((static_cast<size_t>(channel) * p.desc.in_channels + c) * p.desc.kernel + r) * p.desc.kernel + s;
        sum = std::fmaf(value, weights[tap], sum);
      }
    }
  }
  if (bias != nullptr) sum += bias[channel];
  if (p.residual != nullptr) sum += p.residual[at(item, p.out_h, y, p.out_w, x, p.residual_stride) + channel];
  return activate(p.desc.activation, sum);
}

void conv(const ConvOp& p, const float* weights, const float* bias) {
  const int written = (p.desc.out_channels + 15) / 16 * 16;
  for (int item = 0; item < p.batch.count(); ++item) {
    for (int y = 0; y < p.out_h; ++y) {
      for (int x = 0; x < p.out_w; ++x) {
        float* dst = p.dst + at(item, p.out_h, y, p.out_w, x, p.dst_stride);
        for (int o = 0; o < written; ++o) {
          dst[o] = o < p.desc.out_channels ? conv_at(p, weights, bias, item, y, x, o) : 0.0f;
        }
      }
    }
  }
}

}  // namespace sln::naive
