#include "engine/stages/preprocess.h"

#include <algorithm>
#include <cmath>

namespace sln {

void scaled_size(int side, int width, int height, int& scaled_w, int& scaled_h) {
  const double scale = static_cast<double>(side) / std::max(width, height);
  scaled_w = std::max(1, static_cast<int>(std::floor(width * scale + 0.5)));
  scaled_h = std::max(1, static_cast<int>(std::floor(height * scale + 0.5)));
}

Canvas preprocess(Context& context, const Image& image) {
  const Config& config = context.config;
  Canvas canvas;
  canvas.map = take_map(context, {1}, config.side, 3, 4);
  float* const pixels = canvas.map.memory.floats();
  if (image.planes != nullptr) {
    context.run(CanvasFromPlanesOp{image.planes, pixels, config.side});
    return canvas;
  }
  ResizeOp op;
  op.pixels = image.pixels;
  op.width = image.width;
  op.height = image.height;
  op.row_bytes = image.row_bytes;
  op.canvas = pixels;
  op.side = config.side;
  scaled_size(config.side, image.width, image.height, op.scaled_width, op.scaled_height);
  for (int c = 0; c < 3; ++c) {
    op.mean[c] = static_cast<float>(config.mean[c]);
    op.std[c] = static_cast<float>(config.std[c]);
  }
  context.run(op);
  return canvas;
}

}  // namespace sln
