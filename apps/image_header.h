// What the first look at an image file says: format, size, orientation. The whole file is walked, so that a cut-off
// file is found here, with what is missing, and not left to a decoder that would fill the rest with grey.
#pragma once

#include <string>

namespace sln::apps {

enum class ImageFormat { kJpeg, kPng, kBmp, kPnm };

// Largest side, and largest number of pixels (three bytes each stay below 2 GiB).
constexpr long long kMaxSide = 65535;
constexpr long long kMaxPixels = 1LL << 28;

struct ImageHeader {
  ImageFormat format = ImageFormat::kJpeg;
  long long width = 0;   // pixels, as stored
  long long height = 0;  // pixels, as stored
  int orientation = 1;   // EXIF, 1..8; 1 where the file gives none
};

// Throws Failure that begins with `path` where the bytes are no JPEG, PNG, BMP or PNM image of a size that can be
// decoded, or where the file ends early.
ImageHeader read_image_header(const std::string& bytes, const std::string& path);

// EXIF orientation of an APP1 segment's content ("Exif\0\0" and a TIFF header), 1 where it has none or is damaged.
int exif_orientation(const std::string& segment);

}  // namespace sln::apps
