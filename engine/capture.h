// Copies of named stage tensors, for dumps and comparisons.
#pragma once

#include <string>
#include <vector>

#include "engine/stages/ilm.h"
#include "engine/stages/preprocess.h"
#include "engine/stages/proposals.h"
#include "engine/stages/refine.h"
#include "engine/tensor.h"

namespace sln {

// Reads tensors from the device and appends them.
class Capture {
 public:
  Capture(Backend& backend, std::vector<Tensor>& tensors) : backend_(backend), tensors_(tensors) {}

  // (batch, h, w, stride) pixels -> [channels,h,w], or [batch,channels,h,w] where the batch is counted.
  void pixels(const char* name, const MapView& map);
  // Dense elements of every item in use: [n, dims of an item...], integers as floats.
  template <typename Element>
  void items(const char* name, const Items& items, const Dims& item, const Element* data) {
    const int64_t n = used(items);
    Tensor tensor{name, {n}, {}};
    tensor.dims.insert(tensor.dims.end(), item.begin(), item.end());
    std::vector<Element> values(static_cast<size_t>(element_count(tensor.dims)));
    if (n > 0) backend_.read(values.data(), data, values.size() * sizeof(Element));
    tensor.data.assign(values.begin(), values.end());
    tensors_.push_back(std::move(tensor));
  }

 private:
  int used(const Items& items);
  Backend& backend_;
  std::vector<Tensor>& tensors_;
};

// What is captured of each stage's output; nothing of some.
void capture(const Canvas& canvas, const Config& config, Capture& tensors);
void capture(const Features& features, const Config& config, Capture& tensors);
void capture(const GlobalLayers& global, const Config& config, Capture& tensors);
void capture(const RpnMaps& maps, const Config& config, Capture& tensors);
void capture(const Boxes& boxes, const Config& config, Capture& tensors);
void capture(const RoiFeatures& rois, const Config& config, Capture& tensors);
void capture(const InstanceLayers& instance, const Config& config, Capture& tensors);
void capture(const SemDist& semdist, const Config& config, Capture& tensors);

}  // namespace sln
