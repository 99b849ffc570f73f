// RoIAlign on features (and global layers) (network description, 6).
#pragma once

#include "engine/stages/proposals.h"

namespace sln {

// Per RoI: the context channels, and room for what a head adds as further channels (the ILM its sem-dist map M).
struct RoiFeatures {
  Map map;  // (n, P, P, ceil16(context channels + room)), view.channels = context channels
  MutableView room(int channels) { return map.out().behind(channels); }
};

// src: as rpn()'s. room: channels that will be added behind those of src.
RoiFeatures roi_align(Context& context, const MapView& src, const Boxes& boxes, int room);

}  // namespace sln
