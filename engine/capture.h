// Copies of named stage tensors, for dumps and comparisons.
#pragma once

#include <string>
#include <vector>

#include "engine/stages/refine.h"
#include "engine/tensor.h"

namespace sln {

class Capture {
 public:
  void clear() { tensors_.clear(); }
  const std::vector<Tensor>& tensors() const { return tensors_; }

  // (batch, h, w, stride) pixels -> [channels,h,w], or [batch,channels,h,w] where per_roi.
  void pixels(const std::string& name, const MapView& map, bool per_roi = false);
  // Dense floats.
  void floats(const std::string& name, Dims dims, const float* data);
  // Integers as floats.
  template <typename Integer>
  void integers(const std::string& name, Dims dims, const Integer* data) {
    Tensor tensor{name, dims, {}};
    tensor.data.assign(data, data + element_count(dims));
    tensors_.push_back(std::move(tensor));
  }

 private:
  std::vector<Tensor> tensors_;
};

}  // namespace sln
