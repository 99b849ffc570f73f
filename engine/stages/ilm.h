// ILM: RoI features -> instance layering map and expected sem-dist map (paper 4.4; network description, 7).
#pragma once

#include "engine/stages/roi_align.h"

namespace sln {

struct InstanceLayers {
  Map logits;         // (n, P, P, K+1)
  Map probabilities;  // (n, P, P, K+1): 0 = not this object, 1+l = this object at visibility level l
};

// Also writes M into the RoI features' last channel (RoiFeatures), where the refinement reads it.
InstanceLayers ilm(Context& context, const ThreeConvLayers& layers, const RoiFeatures& rois);

}  // namespace sln
