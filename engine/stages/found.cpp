#include "engine/stages/found.h"

namespace sln {
namespace {

// Cuts a block into arrays that begin at multiples of 64 bytes.
class Cutter {
 public:
  explicit Cutter(void* block) : block_(static_cast<unsigned char*>(block)) {}
  template <typename T>
  void cut(T*& array, size_t count) {
    array = block_ == nullptr ? nullptr : reinterpret_cast<T*>(block_ + bytes_);
    bytes_ += aligned(count * sizeof(T));
  }
  size_t bytes() const { return bytes_; }

 private:
  unsigned char* block_;
  size_t bytes_ = 0;
};

size_t lay_out(const Config& config, void* block, Found& found) {
  const auto slots = static_cast<size_t>(config.max_rois);
  const size_t cells = slots * static_cast<size_t>(config.roi_side) * static_cast<size_t>(config.roi_side);
  Cutter cutter(block);
  cutter.cut(found.count, 1);
  cutter.cut(found.boxes, slots * 4);
  cutter.cut(found.scores, slots);
  cutter.cut(found.anchor_index, slots);
  cutter.cut(found.layers, cells * static_cast<size_t>(config.layers + 1));
  cutter.cut(found.confidence, cells);
  return cutter.bytes();
}

}  // namespace

size_t found_bytes(const Config& config) {
  Found nowhere;
  return lay_out(config, nullptr, nowhere);
}

Found found_at(const Config& config, void* block) {
  Found found;
  lay_out(config, block, found);
  return found;
}

FoundBlock take_found(Context& context) {
  FoundBlock found;
  found.memory = context.arena.take(found_bytes(context.config));
  found.at = found_at(context.config, found.memory.data());
  return found;
}

}  // namespace sln
