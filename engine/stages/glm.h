// GLM: features -> probability that exactly k objects overlap at a pixel (paper 4.3; network description, 3).
#pragma once

#include "engine/stages/encoder.h"

namespace sln {

// G, (1, S/4, S/4), view.channels = K+1. It lies behind the features of each pixel, so that RPN and RoIAlign read both
// as one map.
struct GlobalLayers {
  MapView view;
};

// Writes out, K+1 channels and zeros up to the pixel's end: the features' room.
GlobalLayers glm(Context& context, const ThreeConvLayers& layers, const MapView& features, const MutableView& out);

// F and G as one map of C + K+1 channels.
MapView features_and_layers(const Features& features, const GlobalLayers& global);

}  // namespace sln
