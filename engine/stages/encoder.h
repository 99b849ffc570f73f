// ENC: canvas -> features at stride 4 (paper 4.2; network description, 2).
#pragma once

#include "engine/stages/layers.h"
#include "engine/stages/preprocess.h"

namespace sln {

// F, and room behind its channels of each pixel for G: RPN and RoIAlign read both as one map of C + K+1 channels.
struct Features {
  Map map;  // (1, S/4, S/4, ceil16(C + K+1)), view.channels = C
};

// Takes the canvas over and returns its memory as soon as the stem has read it.
Features encoder(Context& context, const EncoderLayers& layers, Canvas canvas);

}  // namespace sln
