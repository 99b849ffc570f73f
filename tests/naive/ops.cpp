#include "tests/naive/ops.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

#include "kernels/math/activation.h"
#include "kernels/math/bilinear.h"
#include "kernels/math/box.h"
#include "kernels/math/iou.h"
#include "kernels/math/semdist.h"
#include "kernels/math/triangle.h"
#include "tests/naive/conv.h"
#include "tests/naive/depthwise.h"

namespace sln::naive {
namespace {

// Logits to probabilities, in place.
void softmax(std::vector<float>& z) {
  float largest = z[0];
  for (size_t c = 1; c < z.size(); ++c) largest = largest > z[c] ? largest : z[c];
  float sum = 0;
  for (float& value : z) {
    value = exp(value - largest);
    sum += value;
  }
  for (float& value : z) value /= sum;
}

// Calls body(item, cell, cell of all items) for the items in use.
template <typename Body>
void each_cell(const Items& items, int cells, const Body& body) {
  for (int item = 0; item < items.count(); ++item)
    for (int cell = 0; cell < cells; ++cell) body(item, cell, int64_t{item} * cells + cell);
}

float pooled(const PoolOp& op, int out_y, int out_x, int channel) {
  const bool max = op.kind == PoolKind::kMax;
  float value = max ? -std::numeric_limits<float>::infinity() : -0.0f;  // -0 + x is x
  for (int r = 0; r < op.kernel; ++r) {
    for (int s = 0; s < op.kernel; ++s) {
      const int y = out_y * op.stride - op.pad + r, x = out_x * op.stride - op.pad + s;
      if (y < 0 || y >= op.in_h || x < 0 || x >= op.in_w) continue;
      const float pixel = op.src[(int64_t{y} * op.in_w + x) * op.src_stride + channel];
      value = max ? (value > pixel ? value : pixel) : value + pixel;
    }
  }
  return max ? value : value * (1.0f / static_cast<float>(op.kernel * op.kernel));
}

float enlarged(const UpsampleSumOp& op, const UpsampleSumOp::Source& map, int y, int x, int channel) {
  const Taps ty = clamped_taps(half_pixel(y, static_cast<float>(map.h) / static_cast<float>(op.h)), map.h);
  const Taps tx = clamped_taps(half_pixel(x, static_cast<float>(map.w) / static_cast<float>(op.w)), map.w);
  const auto at = [&](int row, int column) { return map.data[(int64_t{row} * map.w + column) * map.stride + channel]; };
  return lerp(lerp(at(ty.lo, tx.lo), at(ty.lo, tx.hi), tx.t), lerp(at(ty.hi, tx.lo), at(ty.hi, tx.hi), tx.t), ty.t);
}

float bin_of(const RoiAlignOp& op, const float* box, int bin_y, int bin_x, int channel) {
  float sum = 0;
  for (int sample = 0; sample < 4; ++sample) {
    const RoiTaps y = roi_taps(roi_sample_position(box[1], box[3], op.scale, bin_y, op.side, sample / 2, 2), op.h);
    const RoiTaps x = roi_taps(roi_sample_position(box[0], box[2], op.scale, bin_x, op.side, sample % 2, 2), op.w);
    if (!y.inside || !x.inside) continue;
    const auto at = [&](int row, int column) {
      return op.src[(int64_t{row} * op.w + column) * op.src_stride + channel];
    };
    sum = std::fmaf(y.weight_lo * x.weight_lo, at(y.lo, x.lo), sum);
    sum = std::fmaf(y.weight_lo * x.weight_hi, at(y.lo, x.hi), sum);
    sum = std::fmaf(y.weight_hi * x.weight_lo, at(y.hi, x.lo), sum);
    sum = std::fmaf(y.weight_hi * x.weight_hi, at(y.hi, x.hi), sum);
  }
  return sum * 0.25f;
}

struct Candidate {
  float logit;
  int index;
  Box box;
};

// All anchors' boxes in the order of the proposals.
std::vector<Candidate> candidates_of(const ProposalsOp& op) {
  std::vector<Candidate> all;
  for (int i = 0; i < op.anchor_count(); ++i) {
    const int64_t cell = i / op.anchors_per_cell, a = i % op.anchors_per_cell;
    const float* const anchor = op.anchors + int64_t{4} * i;
    const float* const delta = op.deltas + cell * op.deltas_stride + 4 * a;
    const Box box = decode_anchor({anchor[0], anchor[1], anchor[2], anchor[3]}, delta[0], delta[1], delta[2], delta[3]);
    all.push_back({op.objectness[cell * op.objectness_stride + a], i, clip_box(box, op.side)});
  }
  std::stable_sort(all.begin(), all.end(), [](const Candidate& a, const Candidate& b) {
    return std::isnan(b.logit) ? !std::isnan(a.logit) : a.logit > b.logit;
  });
  return all;
}

}  // namespace

void run(const ConvOp& op, const float* weights, const float* bias) {
  conv(op, weights, bias);
}

void run(const DepthwiseOp& op, const float* weights, const float* bias) {
  for (int y = 0; y < op.out_h; ++y)
    for (int x = 0; x < op.out_w; ++x)
      for (int c = 0; c < ceil16(op.desc.channels); ++c)
        op.dst[(int64_t{y} * op.out_w + x) * op.dst_stride + c] =
            c < op.desc.channels ? sln_naive::depthwise_at<float>(op, weights, bias, y, x, c) : 0.0f;
}

void run(const PoolOp& op, const float* /*weights*/, const float* /*bias*/) {
  for (int y = 0; y < op.out_h; ++y)
    for (int x = 0; x < op.out_w; ++x)
      for (int c = 0; c < ceil16(op.channels); ++c)
        op.dst[(int64_t{y} * op.out_w + x) * op.dst_stride + c] = c < op.channels ? pooled(op, y, x, c) : 0.0f;
}

void run(const UpsampleSumOp& op, const float* /*weights*/, const float* /*bias*/) {
  for (int y = 0; y < op.h; ++y) {
    for (int x = 0; x < op.w; ++x) {
      for (int c = 0; c < op.channels; ++c) {
        float sum = enlarged(op, op.sources[0], y, x, c);
        for (int i = 1; i < op.count; ++i) sum += enlarged(op, op.sources[i], y, x, c);
        op.dst[(int64_t{y} * op.w + x) * op.dst_stride + c] = sum;
      }
    }
  }
}

void run(const SoftmaxOp& op, const float* /*weights*/, const float* /*bias*/) {
  each_cell(op.items, op.pixels_per_item, [&](int, int, int64_t pixel) {
    std::vector<float> p(op.src + pixel * op.src_stride, op.src + pixel * op.src_stride + op.channels);
    softmax(p);
    float* const dst = op.dst + pixel * op.dst_stride;
    std::copy(p.begin(), p.end(), dst);
    std::fill_n(dst + op.channels, op.zero_pad, 0.0f);
    if (op.semdist == nullptr) return;
    float sum = 0;
    for (int level = 0; level + 1 < op.channels; ++level)
      sum = expected_semdist_step(sum, level, p[static_cast<size_t>(level) + 1]);
    op.semdist[pixel * op.semdist_stride] = sum;
  });
}

void run(const RefineOp& op, const float* /*weights*/, const float* /*bias*/) {
  each_cell(op.items, op.pixels_per_item, [&](int item, int cell, int64_t number) {
    const float* const logits = op.ilm_logits + number * op.logits_stride;
    std::vector<float> z(logits, logits + op.channels);
    for (int c = 0; c < op.channels && op.residual != nullptr; ++c)
      z[static_cast<size_t>(c)] += op.residual[number * op.logits_stride + c];
    LevelArgmax best = {z[1], 0};
    for (int level = 1; level + 1 < op.channels; ++level)
      best = level_argmax_step(best, z[static_cast<size_t>(level) + 1], level);
    op.level[number] = static_cast<uint8_t>(best.level);
    softmax(z);
    for (int c = 0; c < op.channels; ++c)
      op.layers[(int64_t{item} * op.channels + c) * op.pixels_per_item + cell] = z[static_cast<size_t>(c)];
    op.confidence[number] = confidence(z[0]);
  });
}

void run(const MaskPlanesOp& op, const float* /*weights*/, const float* /*bias*/) {
  each_cell(op.items, op.pixels_per_item, [&](int item, int cell, int64_t number) {
    const float* const logits = op.logits + number * op.stride;
    const float amodal = sigmoid(logits[0]);
    const float visible = op.masks == 2 ? sigmoid(logits[1]) : 1.0f;
    const float planes[3] = {1.0f - amodal, op.masks == 2 ? amodal * visible : amodal, amodal * (1.0f - visible)};
    for (int c = 0; c <= op.masks; ++c)
      op.layers[(int64_t{item} * (op.masks + 1) + c) * op.pixels_per_item + cell] = planes[c];
    op.confidence[number] = confidence(planes[0]);
    op.level[number] = op.masks == 2 && logits[1] < 0 ? 1 : 0;
  });
}

void run(const RoiAlignOp& op, const float* /*weights*/, const float* /*bias*/) {
  each_cell(op.items, op.side * op.side, [&](int item, int bin, int64_t number) {
    for (int c = 0; c < ceil16(op.channels); ++c)
      op.dst[number * op.dst_stride + c] =
          c < op.channels ? bin_of(op, op.boxes + int64_t{4} * item, bin / op.side, bin % op.side, c) : 0.0f;
  });
}

void run(const ProposalsOp& op, const float* /*weights*/, const float* /*bias*/) {
  std::vector<Candidate> all = candidates_of(op);
  all.resize(std::min(all.size(), static_cast<size_t>(op.pre_nms)));
  std::vector<Candidate> kept;
  for (const Candidate& c : all) {
    if (!large_enough(c.box, op.min_box) || kept.size() == static_cast<size_t>(op.max_rois)) continue;
    const bool suppressed = std::any_of(kept.begin(), kept.end(), [&](const Candidate& k) {
      return iou(k.box, area(k.box), c.box, area(c.box)) > op.nms_iou;
    });
    if (!suppressed) kept.push_back(c);
  }
  int32_t count = 0;
  for (const Candidate& k : kept) {
    const float score = sigmoid(k.logit);
    if (!(score >= op.score_threshold)) continue;
    const float corners[4] = {k.box.x0, k.box.y0, k.box.x1, k.box.y1};
    std::copy_n(corners, 4, op.boxes + int64_t{4} * count);
    op.scores[count] = score;
    op.anchor_index[count++] = k.index;
  }
  *op.count = count;
}

void run(const ResizeOp& op, const float* /*weights*/, const float* /*bias*/) {
  std::fill_n(op.canvas, int64_t{4} * op.side * op.side, 0.0f);
  const TriangleFilter along_x = triangle_filter(op.width, op.scaled_width);
  const TriangleFilter along_y = triangle_filter(op.height, op.scaled_height);
  std::vector<float> filtered(static_cast<size_t>(op.height) * 3);  // one canvas column of every image row
  for (int x = 0; x < op.scaled_width; ++x) {
    const TriangleTaps columns = triangle_taps(along_x, x);
    std::fill(filtered.begin(), filtered.end(), 0.0f);
    for (int i = columns.begin; i < columns.end; ++i) {
      const float weight = triangle_weight(along_x, columns, i);
      for (size_t k = 0; k < filtered.size(); ++k)
        filtered[k] =
            std::fmaf(weight, op.pixels[static_cast<ptrdiff_t>(k / 3) * op.row_bytes + 3 * i + k % 3], filtered[k]);
    }
    for (int y = 0; y < op.scaled_height; ++y) {
      const TriangleTaps rows = triangle_taps(along_y, y);
      float sums[3] = {};
      for (int r = rows.begin; r < rows.end; ++r)
        for (int c = 0; c < 3; ++c)
          sums[c] = std::fmaf(triangle_weight(along_y, rows, r), filtered[static_cast<size_t>(3 * r + c)], sums[c]);
      for (int c = 0; c < 3; ++c) op.canvas[(int64_t{y} * op.side + x) * 4 + c] = (sums[c] - op.mean[c]) / op.std[c];
    }
  }
}

void run(const CanvasFromPlanesOp& op, const float* /*weights*/, const float* /*bias*/) {
  const int64_t pixels = int64_t{op.side} * op.side;
  for (int64_t i = 0; i < pixels; ++i)
    for (int c = 0; c < 4; ++c) op.canvas[4 * i + c] = c < 3 ? op.planes[c * pixels + i] : 0.0f;
}

}  // namespace sln::naive
