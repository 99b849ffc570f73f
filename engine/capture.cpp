#include "engine/capture.h"

#include <utility>

namespace sln {

void Capture::pixels(const std::string& name, const MapView& map, bool per_roi) {
  Tensor tensor;
  tensor.name = name;
  if (per_roi) tensor.dims.push_back(map.batch);
  for (const int dim : {map.channels, map.h, map.w}) tensor.dims.push_back(dim);
  tensor.data.reserve(static_cast<size_t>(map.pixels()) * static_cast<size_t>(map.channels));
  const int64_t plane = static_cast<int64_t>(map.h) * map.w;
  for (int n = 0; n < map.batch; ++n)
    for (int c = 0; c < map.channels; ++c)
      for (int64_t i = 0; i < plane; ++i) tensor.data.push_back(map.data[(n * plane + i) * map.stride + c]);
  tensors_.push_back(std::move(tensor));
}

void Capture::floats(const std::string& name, Dims dims, const float* data) {
  Tensor tensor{name, std::move(dims), {}};
  tensor.data.assign(data, data + element_count(tensor.dims));
  tensors_.push_back(std::move(tensor));
}

}  // namespace sln
