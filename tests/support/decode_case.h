// Inputs of decode: objects of many kinds, owned.
#pragma once

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "engine/stages/decode.h"
#include "tests/support/op_buffers.h"

namespace sln_test {

struct DecodeCase {
  int levels = 4, side = 28;
  int image_w = 0, image_h = 0, scaled_w = 0, scaled_h = 0, canvas_side = 0;
  std::vector<float> boxes, objectness, layers, confidence;
  std::vector<int32_t> anchors;

  int count() const { return static_cast<int>(objectness.size()); }

  sln::DecodeInput input() const {
    sln::DecodeInput in;
    in.count = count();
    in.boxes = boxes.data();
    in.objectness = objectness.data();
    in.anchors = anchors.data();
    in.layers = layers.data();
    in.confidence = confidence.data();
    in.levels = levels;
    in.roi_side = side;
    in.image_w = image_w;
    in.image_h = image_h;
    in.scaled_w = scaled_w;
    in.scaled_h = scaled_h;
    return in;
  }

  // The image and its part of a canvas of side S, by the network's rule.
  void set_image(int w, int h, int canvas) {
    image_w = w;
    image_h = h;
    canvas_side = canvas;
    const double s = static_cast<double>(canvas) / std::max(w, h);
    scaled_w = std::max(1, static_cast<int>(std::floor(w * s + 0.5)));
    scaled_h = std::max(1, static_cast<int>(std::floor(h * s + 0.5)));
  }

  // planes: (levels + 1, side, side) probabilities.
  void add(const std::vector<float>& planes, float x0, float y0, float x1, float y1, float score) {
    const float box[4] = {x0, y0, x1, y1};
    boxes.insert(boxes.end(), box, box + 4);
    objectness.push_back(score);
    anchors.push_back(1000 + count());
    layers.insert(layers.end(), planes.begin(), planes.end());
    for (int i = 0; i < side * side; ++i) {
      confidence.push_back(std::min(std::max(1.0f - planes[static_cast<size_t>(i)], 0.0f), 1.0f - 1.0f / 1024));
    }
  }
};

// Softmax of a round object with the given noise; level l is likelier towards the right the higher `slope`.
inline std::vector<float> object_planes(Random& random, int levels, int side, float noise, float slope) {
  const size_t cells = static_cast<size_t>(side) * static_cast<size_t>(side);
  std::vector<float> planes(cells * static_cast<size_t>(levels + 1));
  for (size_t i = 0; i < cells; ++i) {
    const float x = (static_cast<float>(i % static_cast<size_t>(side)) + 0.5f) / static_cast<float>(side) - 0.5f;
    const float y = (static_cast<float>(i / static_cast<size_t>(side)) + 0.5f) / static_cast<float>(side) - 0.5f;
    std::vector<double> logits;
    logits.push_back(12 * std::sqrt(x * x + y * y) - 4 + noise * random.uniform(-1, 1));
    for (int l = 0; l < levels; ++l) {
      logits.push_back(-std::fabs(slope * (x + 0.5f) - static_cast<float>(l)) + noise * random.uniform(-1, 1));
    }
    double sum = 0;
    for (const double logit : logits) sum += std::exp(logit);
    for (size_t k = 0; k < logits.size(); ++k) {
      planes[k * cells + i] = static_cast<float>(std::exp(logits[k]) / sum);
    }
  }
  return planes;
}

// Planes of many kinds: smooth, noisy, exactly on the threshold, saturated, empty, all levels equal.
inline std::vector<float> odd_planes(Random& random, int levels, int side) {
  const size_t cells = static_cast<size_t>(side) * static_cast<size_t>(side);
  std::vector<float> planes(cells * static_cast<size_t>(levels + 1), 1.0f / 16);
  const int kind = random.below(8);
  if (kind <= 2) return object_planes(random, levels, side, static_cast<float>(kind), random.uniform(0, 4));
  if (kind == 3) return object_planes(random, levels, side, 8, random.uniform(0, 4));
  for (size_t i = 0; i < cells; ++i) {
    const float on_threshold = random.below(3) == 0 ? 0.5f : 0.25f * static_cast<float>(random.below(5));
    planes[i] = kind == 4 ? on_threshold : kind == 5 ? 0.0f : kind == 6 ? 1.0f : 0.375f;
    for (int l = 1; l <= levels && kind == 7; ++l) {
      planes[static_cast<size_t>(l) * cells + i] = 0.125f * static_cast<float>(random.below(3));
    }
  }
  return planes;
}

// Objects drawn as text, P x P: '.' is not the object, a digit its level. With a box of P x P whole pixels and P a
// power of two every pixel reads its own cell.
inline std::vector<float> drawn_planes(const std::vector<std::string>& rows, int levels) {
  const size_t side = rows.size();
  std::vector<float> planes(side * side * static_cast<size_t>(levels + 1), 0.0f);
  for (size_t y = 0; y < side; ++y) {
    for (size_t x = 0; x < side; ++x) {
      const size_t plane = rows[y][x] == '.' ? 0 : static_cast<size_t>(rows[y][x] - '0') + 1;
      planes[(plane * side + y) * side + x] = 1.0f;
    }
  }
  return planes;
}

}  // namespace sln_test
