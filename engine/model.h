// A weight blob, and its weights as they are packed for the engines that use them now.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "engine/blob.h"
#include "engine/stages/layers.h"

namespace sln {

// Immutable as its users see it; any thread.
class Model {
 public:
  explicit Model(std::shared_ptr<const Blob> blob) : blob_(std::move(blob)) {}
  const Blob& blob() const { return *blob_; }

  // The layers packed for a device, by its id: once, by the first engine that asks. Engines that ask
  // meanwhile wait for it, those of other devices do not, and the last one to let go frees the memory.
  std::shared_ptr<const PackedLayers> packed_for(std::shared_ptr<Device> device) const;

 private:
  struct Slot {
    std::mutex packing;
    std::weak_ptr<const PackedLayers> layers;
  };
  std::shared_ptr<const Blob> blob_;
  mutable std::mutex mutex_;
  mutable std::map<std::string, Slot> slots_;  // by the device's id; an element stays where it is
};

}  // namespace sln
