#include "engine/model.h"

#include <utility>

namespace sln {

std::shared_ptr<const PackedLayers> Model::packed_for(std::shared_ptr<Device> device) const {
  std::unique_lock<std::mutex> lock(mutex_);
  Slot& slot = slots_[device->id()];
  lock.unlock();
  const std::lock_guard<std::mutex> packing(slot.packing);
  std::shared_ptr<const PackedLayers> layers = slot.layers.lock();
  if (layers == nullptr) {
    layers = std::make_shared<const PackedLayers>(pack_layers(*blob_, std::move(device)));
    slot.layers = layers;
  }
  return layers;
}

}  // namespace sln
