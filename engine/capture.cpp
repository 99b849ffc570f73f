#include "engine/capture.h"

#include <utility>

namespace sln {

int Capture::used(const Items& items) {
  if (items.used == nullptr) return items.room;
  int32_t count = 0;
  backend_.read(&count, items.used, sizeof count);
  return count;
}

void Capture::pixels(const char* name, const MapView& map) {
  Tensor tensor;
  tensor.name = name;
  const int64_t n = used(map.batch);
  if (map.batch.used != nullptr || map.batch.room != 1) tensor.dims.push_back(n);
  for (const int dim : {map.channels, map.h, map.w}) tensor.dims.push_back(dim);
  const int64_t plane = map.pixels_per_item();
  // Up to the last pixel's last channel: behind it may lie another buffer.
  std::vector<float> rows(n == 0 ? 0 : static_cast<size_t>((n * plane - 1) * map.stride + map.channels));
  if (n > 0) backend_.read(rows.data(), map.data, rows.size() * sizeof(float));
  tensor.data.reserve(static_cast<size_t>(n * plane * map.channels));
  for (int64_t item = 0; item < n; ++item)
    for (int c = 0; c < map.channels; ++c)
      for (int64_t i = 0; i < plane; ++i)
        tensor.data.push_back(rows[static_cast<size_t>((item * plane + i) * map.stride + c)]);
  tensors_.push_back(std::move(tensor));
}

void capture(const Canvas& canvas, Capture& tensors) {
  tensors.pixels("canvas", canvas.map.view);
}

void capture(const Features& features, Capture& tensors) {
  tensors.pixels("features", features.map.view);
}

void capture(const GlobalLayers& global, Capture& tensors) {
  tensors.pixels("global_layers", global.view);
}

void capture(const RpnMaps& maps, Capture& tensors) {
  tensors.pixels("rpn_objectness", maps.objectness.view);
  tensors.pixels("rpn_deltas", maps.deltas.view);
}

void capture(const Boxes& boxes, Capture& tensors) {
  tensors.items("boxes", boxes.items, {4}, boxes.boxes);
  tensors.items("scores", boxes.items, {}, boxes.scores);
  tensors.items("anchor_index", boxes.items, {}, boxes.anchor_index);
}

void capture(const RoiFeatures& /*rois*/, Capture& /*tensors*/) {}

void capture(const InstanceLayers& instance, Capture& tensors) {
  tensors.pixels("instance_layers", instance.probabilities.view);
}

void capture(const SemDist& semdist, Capture& tensors) {
  const int p = tensors.config().roi_side;
  tensors.items("layers", semdist.items, {tensors.config().layers + 1, p, p}, semdist.layers);
  tensors.items("confidence", semdist.items, {p, p}, semdist.confidence);
  tensors.items("level", semdist.items, {p, p}, static_cast<const uint8_t*>(semdist.level.data()));
}

}  // namespace sln
