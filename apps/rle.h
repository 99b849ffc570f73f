// COCO run-length codes in compressed text form.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace sln::apps {

// A mask within the smallest rectangle that holds it.
struct MaskCrop {
  int x = 0, y = 0;                // left upper corner in the image
  int width = 0, height = 0;       // 0 x 0 for an empty mask
  std::vector<uint8_t> pixels;     // (height, width), 0 or 1
  bool at(int px, int py) const {  // image coordinates
    return px >= x && py >= y && px < x + width && py < y + height &&
           pixels[static_cast<size_t>(py - y) * static_cast<size_t>(width) + static_cast<size_t>(px - x)] != 0;
  }
};

// Throws Failure where the text is no code of width * height pixels.
MaskCrop decode_rle(const std::string& code, int width, int height);

}  // namespace sln::apps
