// Refinement: residual logits on RoI features and sem-dist map -> final planes (paper 4.4; network description, 8).
#pragma once

#include "engine/stages/ilm.h"

namespace sln {

// The final sem-dist map M = C - L (Eq. 1), kept as its two planes, and the planes it was read from.
struct SemDist {
  Buffer layers;      // (n, K+1, P, P) probabilities
  Buffer confidence;  // (n, P, P) C
  Buffer level;       // (n, P, P) uint8, L
  int count = 0;      // n
};

// Memory for max_rois objects.
SemDist take_semdist(Context& context, int count);

SemDist refine(Context& context, const ThreeConvLayers& layers, const RoiFeatures& rois,
               const InstanceLayers& instance);

// The same planes before the refinement: those of the ILM's logits alone.
SemDist unrefined(Context& context, const InstanceLayers& instance);

}  // namespace sln
