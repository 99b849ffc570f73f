// Refinement: residual logits on RoI features and sem-dist map -> final planes (paper 4.4; network description, 8).
#pragma once

#include "engine/stages/ilm.h"

namespace sln {

// The final sem-dist map M = C - L (Eq. 1), kept as its two planes, and the planes it was read from.
struct SemDist {
  float* layers = nullptr;      // (n, K+1, P, P) probabilities, in the memory of what is found
  float* confidence = nullptr;  // (n, P, P) C, likewise
  Buffer level;                 // (n, P, P) uint8, L; only captures read it
  Items items;                  // n
};

// Takes the levels' memory; the others' places are those of found, which is what these functions write.
SemDist take_semdist(Context& context, const Items& items, Found found);

SemDist refine(Context& context, const ThreeConvLayers& layers, const RoiFeatures& rois, const InstanceLayers& instance,
               Found found);

// The same planes before the refinement: those of the ILM's logits alone.
SemDist unrefined(Context& context, const InstanceLayers& instance, Found found);

}  // namespace sln
