// Images from and to files. JPEG, PNG, BMP and PNM are read, PNG is written.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace sln::apps {

struct Image {
  int width = 0;             // pixels
  int height = 0;            // pixels
  std::vector<uint8_t> rgb;  // (height, width, 3)
  int orientation = 1;       // EXIF orientation that was applied, 1 if none; width and height are those after it
};

// Decodes to 8-bit RGB: alpha is ignored (not composed), 16 bits are shifted right by 8, grey is replicated, Adobe CMYK
// and YCCK become RGB by the plain inverse without colour profile. Throws Failure that names the file, what was
// expected and what was found; a truncated file is a failure, never a partly grey image.
Image decode_image(const std::string& bytes, const std::string& path, bool apply_orientation);
Image read_image(const std::string& path, bool apply_orientation);

// Turns the pixels so that a picture stored with this EXIF orientation stands upright.
void orient(Image* image, int orientation);

// The bytes of a PNG file.
std::string encode_png(const Image& image);

}  // namespace sln::apps
