// What a network's page leaves for decode: boxes and planes, in one contiguous block, so that one copy brings it from
// the device.
#pragma once

#include <cstdint>

#include "engine/stages/context.h"

namespace sln {

// Where everything lies in a block of found_bytes(config), on the device or on the host. Slots from *count on are
// untouched.
struct Found {
  int32_t* count = nullptr;         // (1) proposals in use
  float* boxes = nullptr;           // (N, 4) x0 y0 x1 y1, canvas pixels
  float* scores = nullptr;          // (N) objectness, sigmoid of the logit
  int32_t* anchor_index = nullptr;  // (N) flat anchor index
  float* layers = nullptr;          // (N, K+1, P, P) probabilities
  float* confidence = nullptr;      // (N, P, P) C
};

size_t found_bytes(const Config& config);
Found found_at(const Config& config, void* block);

// The block as a piece of the arena.
struct FoundBlock {
  Buffer memory;
  Found at;
};
FoundBlock take_found(Context& context);

}  // namespace sln
