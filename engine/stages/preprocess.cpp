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
  canvas.map = take_map(context, 1, config.side, 3, 4);
  scaled_size(config.side, image.width, image.height, canvas.scaled_w, canvas.scaled_h);
  const Buffer workspace = context.arena.take(context.backend.resize_workspace_bytes(config.side));
  if (image.planes != nullptr) {
    context.backend.canvas_from_planes({image.planes, canvas.map.view.data, config.side});
    return canvas;
  }
  ResizeParams params;
  params.pixels = image.pixels;
  params.width = image.width;
  params.height = image.height;
  params.row_bytes = image.row_bytes;
  params.canvas = canvas.map.view.data;
  params.side = config.side;
  params.scaled_width = canvas.scaled_w;
  params.scaled_height = canvas.scaled_h;
  for (int c = 0; c < 3; ++c) {
    params.mean[c] = static_cast<float>(config.mean[c]);
    params.std[c] = static_cast<float>(config.std[c]);
  }
  params.workspace = workspace.data();
  context.backend.resize_to_canvas(params);
  return canvas;
}

}  // namespace sln
