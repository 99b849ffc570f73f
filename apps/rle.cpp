#include "apps/rle.h"

#include <exception>

#include "apps/failure.h"
#include "evaluation/mask.h"

namespace sln::apps {

MaskCrop decode_rle(const std::string& code, int width, int height) {
  evaluation::Mask mask;
  try {
    mask = evaluation::mask_of_runs(evaluation::decode_runs(code, int64_t{width} * height), width, height);
  } catch (const std::exception& error) {
    throw Failure(error.what());
  }
  MaskCrop crop;
  if (mask.area == 0) return crop;
  crop.x = mask.left;
  crop.y = mask.top;
  crop.width = mask.right - mask.left;
  crop.height = mask.bottom - mask.top;
  crop.pixels.assign(static_cast<size_t>(crop.width) * static_cast<size_t>(crop.height), 0);
  for (const evaluation::Span& span : mask.spans) {
    for (uint32_t at = span.begin; at < span.end; ++at) {
      const int x = static_cast<int>(at / static_cast<uint32_t>(height)) - crop.x;
      const int y = static_cast<int>(at % static_cast<uint32_t>(height)) - crop.y;
      crop.pixels[static_cast<size_t>(y) * static_cast<size_t>(crop.width) + static_cast<size_t>(x)] = 1;
    }
  }
  return crop;
}

}  // namespace sln::apps
