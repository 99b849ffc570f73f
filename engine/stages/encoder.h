// ENC: canvas -> features at stride 4 (paper 4.2; network description, 2).
#pragma once

#include "engine/stages/layers.h"
#include "engine/stages/preprocess.h"

namespace sln {

// F, and room behind its channels of each pixel for G, where the network has it: RPN and RoIAlign read both as one map.
struct Features {
  Map map;  // (1, S/4, S/4, ceil16(context channels)), view.channels = C
  MutableView room(int channels) { return map.out().behind(channels); }
};

// The encoder that the config names. Takes the canvas over and returns its memory as soon as the stem has read it.
Features encoder(Context& context, const EncoderLayers& layers, Canvas canvas);

// ---- For the encoders' own pages.

Features encoder_resnet(Context& context, const ResNetLayers& layers, const FuseLayers& fuse_layers, Canvas canvas);
Features encoder_lite(Context& context, const LiteLayers& layers, const FuseLayers& fuse_layers, Canvas canvas);

// The fuse convolution at each stage's own size: F = ReLU(W2 C2 + b + up(f3) + up(f4) + up(f5)), fk = Wk Ck.
Features fuse(Context& context, const FuseLayers& layers, const Map& c2, const Map& f3, const Map& f4, const Map& f5);

}  // namespace sln
