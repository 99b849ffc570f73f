// How many items of a batch an op works on. Left of the proposals that is one map; right of them there is room for
// max_rois items, and how many of them are in use is known where the ops run, and only there: the host never waits for
// the number, it launches for all of the room.
#pragma once

#include <cstdint>

#include "kernels/hd.h"

namespace sln {

struct Items {
  int room = 0;                   // items that there is memory for
  const int32_t* used = nullptr;  // (1) items in use, 0..room, in the memory of the device; null: all of the room

  // To be called where the op runs.
  SLN_HD int count() const { return used == nullptr ? room : *used; }
};

}  // namespace sln
