// GLM: features -> probability that exactly k objects overlap at a pixel (paper 4.3; network description, 3).
#pragma once

#include "engine/stages/encoder.h"

namespace sln {

// G, written behind F in the features' own memory: channels C..C+K of each pixel.
struct GlobalLayers {
  MapView view;  // (1, S/4, S/4), view.channels = K+1, inside of Features::map
};

GlobalLayers glm(Context& context, const ThreeConvLayers& layers, const Features& features);

// F and G as one map of C + K+1 channels.
MapView features_and_layers(const Features& features, const GlobalLayers& global);

}  // namespace sln
