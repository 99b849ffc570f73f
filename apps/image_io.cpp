#include "apps/image_io.h"

#include <cstdlib>
#include <memory>
#include <stdexcept>
#include <utility>

#include "apps/failure.h"
#include "apps/files.h"
#include "apps/image_header.h"
#include "apps/pnm.h"

// The only file that sees stb. A failed assertion on a damaged file must become an error, not an abort.
#define STBI_ASSERT(condition)                                        \
  do {                                                                \
    if (!(condition)) throw std::runtime_error("damaged image data"); \
  } while (0)
#define STBI_ONLY_JPEG
#define STBI_ONLY_PNG
#define STBI_ONLY_BMP
#define STBI_NO_STDIO
#define STBI_NO_LINEAR
#define STBI_FAILURE_USERMSG
#define STB_IMAGE_STATIC
#define STB_IMAGE_IMPLEMENTATION
#include <stb_image.h>
#define STBI_WRITE_NO_STDIO
#define STB_IMAGE_WRITE_STATIC
#define STB_IMAGE_WRITE_IMPLEMENTATION
#include <stb_image_write.h>

namespace sln::apps {
namespace {

struct Release {
  void operator()(unsigned char* pixels) const { std::free(pixels); }
};
using StbPixels = std::unique_ptr<unsigned char, Release>;

const char* name_of(ImageFormat format) {
  switch (format) {
    case ImageFormat::kJpeg:
      return "JPEG";
    case ImageFormat::kPng:
      return "PNG";
    case ImageFormat::kBmp:
      return "BMP";
    default:
      return "PNM";
  }
}

std::vector<uint8_t> decode_with_stb(const std::string& bytes, const ImageHeader& header, const std::string& path) {
  if (bytes.size() > 0x7FFFFFFF) fail(path, ": expected a file below 2 GiB, found ", bytes.size(), " bytes");
  int width = 0, height = 0, channels = 0;
  StbPixels pixels;
  std::string problem;
  try {
    pixels.reset(stbi_load_from_memory(reinterpret_cast<const stbi_uc*>(bytes.data()), static_cast<int>(bytes.size()),
                                       &width, &height, &channels, 3));
    if (!pixels) problem = stbi_failure_reason();
  } catch (const std::runtime_error& error) {
    problem = error.what();
  }
  if (!pixels) fail(path, ": expected a ", name_of(header.format), " image that can be decoded, found: ", problem);
  if (width != header.width || height != header.height) {
    fail(path, ": expected ", header.width, " x ", header.height, " pixels as the header says, found ", width, " x ",
         height);
  }
  return std::vector<uint8_t>(pixels.get(),
                              pixels.get() + size_t{3} * static_cast<size_t>(width) * static_cast<size_t>(height));
}

}  // namespace

Image decode_image(const std::string& bytes, const std::string& path, bool apply_orientation) {
  const ImageHeader header = read_image_header(bytes, path);
  Image image;
  image.width = static_cast<int>(header.width);
  image.height = static_cast<int>(header.height);
  image.rgb = header.format == ImageFormat::kPnm ? decode_pnm(bytes, read_pnm_header(bytes, path), path)
                                                 : decode_with_stb(bytes, header, path);
  if (apply_orientation) orient(&image, header.orientation);
  return image;
}

Image read_image(const std::string& path, bool apply_orientation) {
  return decode_image(read_file(path), path, apply_orientation);
}

void orient(Image* image, int orientation) {
  if (orientation <= 1 || orientation > 8) return;
  // 1 upright, 2 mirrored, 3 turned by 180 degrees, 4 upside down mirrored, 5 transposed, 6 to be turned by 90 degrees
  // clockwise, 7 transposed along the other diagonal, 8 to be turned counter-clockwise.
  const int w = image->width, h = image->height;
  const bool swapped = orientation >= 5;
  const bool flip_x = orientation == 2 || orientation == 3 || orientation == 7 || orientation == 8;
  const bool flip_y = orientation == 3 || orientation == 4 || orientation == 6 || orientation == 7;
  Image turned;
  turned.width = swapped ? h : w;
  turned.height = swapped ? w : h;
  turned.orientation = orientation;
  turned.rgb.resize(image->rgb.size());
  uint8_t* out = turned.rgb.data();
  for (int y = 0; y < turned.height; ++y) {
    for (int x = 0; x < turned.width; ++x, out += 3) {
      int sx = swapped ? y : x;
      int sy = swapped ? x : y;
      if (flip_x) sx = w - 1 - sx;
      if (flip_y) sy = h - 1 - sy;
      const uint8_t* in = &image->rgb[3 * (static_cast<size_t>(sy) * static_cast<size_t>(w) + static_cast<size_t>(sx))];
      for (int c = 0; c < 3; ++c) out[c] = in[c];
    }
  }
  *image = std::move(turned);
}

std::string encode_png(const Image& image) {
  int bytes = 0;
  stbi_write_png_compression_level = 5;  // a photo's PNG hardly shrinks beyond, and takes twice the time
  const StbPixels png(stbi_write_png_to_mem(image.rgb.data(), 3 * image.width, image.width, image.height, 3, &bytes));
  if (!png) fail("expected memory for a PNG of ", image.width, " x ", image.height, " pixels, found none");
  return std::string(reinterpret_cast<const char*>(png.get()), static_cast<size_t>(bytes));
}

}  // namespace sln::apps
