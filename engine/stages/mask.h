// The mask head of the networks that predict an amodal mask and, of two masks, its visible part: RoI features ->
// planes.
#pragma once

#include "engine/stages/refine.h"

namespace sln {

// Takes the RoI features over and returns their memory as soon as the first convolution has read them. The planes are
// in the form that decode reads: not this object, visible, hidden (see kernels/mask_planes.h).
SemDist mask_head(Context& context, const MaskLayers& layers, RoiFeatures rois, Found found);

}  // namespace sln
