// RoIAlign on features and global layers (network description, 6).
#pragma once

#include "engine/stages/proposals.h"

namespace sln {

// Per RoI: F, G, and room for the sem-dist map M that the ILM adds as one more channel.
struct RoiFeatures {
  Map map;  // (n, P, P, ceil16(C + K+2)), view.channels = C + K+1; channel C + K+1 belongs to M
};

RoiFeatures roi_align(Context& context, const Features& features, const GlobalLayers& global, const Boxes& boxes);

}  // namespace sln
