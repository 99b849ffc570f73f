// Photo -> canvas (network description, 1).
#pragma once

#include <cstddef>
#include <cstdint>

#include "engine/stages/context.h"

namespace sln {

struct Image {
  const uint8_t* pixels = nullptr;  // (height, row_bytes), RGB interleaved
  int width = 0, height = 0;        // pixels
  ptrdiff_t row_bytes = 0;
  const float* planes = nullptr;  // instead of pixels: a normalised canvas (3, S, S); width = height = S
};

struct Canvas {
  Map map;  // (1, S, S, 4): normalised R, G, B and 0
};

// The image's part of the canvas, pixels: w = max(1, floor(W*s + 0.5)), s = S / max(W, H), in double; h likewise.
void scaled_size(int side, int width, int height, int& scaled_w, int& scaled_h);

Canvas preprocess(Context& context, const Image& image);

}  // namespace sln
