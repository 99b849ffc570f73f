// ILM: RoI features -> instance layering map and expected sem-dist map (paper 4.4; network description, 7).
#pragma once

#include "engine/stages/roi_align.h"

namespace sln {

struct InstanceLayers {
  Map logits;         // (n, P, P, K+1)
  Map probabilities;  // (n, P, P, K+1): 0 = not this object, 1+l = this object at visibility level l
};

// Writes semdist, M, one channel: the RoI features' room, where the refinement reads it.
InstanceLayers ilm(Context& context, const ThreeConvLayers& layers, const MapView& rois, const MutableView& semdist);

}  // namespace sln
