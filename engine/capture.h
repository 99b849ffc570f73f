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
  Capture(const Config& config, Backend& backend, std::vector<Tensor>& tensors)
      : config_(config), backend_(backend), tensors_(tensors) {}
  const Config& config() const { return config_; }

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
  const Config& config_;
  Backend& backend_;
  std::vector<Tensor>& tensors_;
};

// What is captured of each stage's output; nothing of some.
void capture(const Canvas& canvas, Capture& tensors);
void capture(const Features& features, Capture& tensors);
void capture(const GlobalLayers& global, Capture& tensors);
void capture(const RpnMaps& maps, Capture& tensors);
void capture(const Boxes& boxes, Capture& tensors);
void capture(const RoiFeatures& rois, Capture& tensors);
void capture(const InstanceLayers& instance, Capture& tensors);
void capture(const SemDist& semdist, Capture& tensors);

}  // namespace sln
