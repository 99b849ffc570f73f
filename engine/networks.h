// The networks and encoders there are: the one table of each. A kind names the code; whoever has a page per kind (layer
// table, packing, pipeline, importer) switches over it without a default, so that a new kind does not compile until
// each has one.
#pragma once

#include <cstdint>

namespace sln {

enum class NetworkKind : uint8_t { kSln, kArcnn };

struct Network {
  const char* name;      // config.network
  NetworkKind kind;      // its pages
  int levels;            // K that its definition fixes; 0: the config chooses
  bool global_layers;    // predicts G, which RPN and RoI heads see behind F
  bool instance_layers;  // has an ILM
  bool refinement;       // has planes before and after a refinement
};

inline constexpr Network kNetworks[] = {
    {"arcnn", NetworkKind::kArcnn, 1, false, false, false},
    {"arcnn-visible", NetworkKind::kArcnn, 2, false, false, false},
    {"sln", NetworkKind::kSln, 0, true, true, true},
};

enum class EncoderKind : uint8_t { kResNet, kLite };

struct Encoder {
  const char* name;  // config.encoder
  EncoderKind kind;
  int stages;  // entries of config.blocks
};

inline constexpr Encoder kEncoders[] = {
    {"efficientnet-lite0", EncoderKind::kLite, 7},
    {"resnet", EncoderKind::kResNet, 4},
};

}  // namespace sln
