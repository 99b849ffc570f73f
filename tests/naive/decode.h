// Section 9 of the network description, word by word: full planes, one pixel at a time, sets and flood fill.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "engine/result.h"
#include "engine/stages/decode.h"

namespace sln::naive {

// One object read on a whole grid.
struct PastedObject {
  int width = 0, height = 0;
  std::vector<float> confidence;  // (height, width) C, 0 outside of the window
  std::vector<uint8_t> window;    // (height, width)
  std::vector<int> level;         // (height, width) 0..K-1 where C > c, -1 elsewhere
};

// fused: whether lerp is one fmaf, as on every instruction set but SSE4.
PastedObject paste(const float* layers, int channels, int side, const float* box, int width, int height,
                   float threshold, bool fused);

// Regions of equal sign, 4-connected.
struct Regions {
  int count = 0;
  int64_t largest = 0;  // pixels
  int sign = 0;         // of the largest region, the first one of equals in row-major order
};
Regions flood_fill(const std::vector<int>& values, int width, int height);

// Column-major runs of a mask (height, width), and their text.
Runs runs_of_mask(const std::vector<uint8_t>& mask, int width, int height);
std::vector<uint8_t> mask_of_runs(const Runs& runs, int width, int height);
std::string text_of_runs(const Runs& runs);
Runs runs_of_text(const std::string& text);

Result decode(const DecodeInput& input, bool fused);

}  // namespace sln::naive
