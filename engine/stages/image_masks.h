// One object's masks on the grid of the original image.
#pragma once

#include <vector>

#include "engine/result.h"
#include "engine/stages/rle.h"
#include "kernels/paste.h"

namespace sln {

// Scratch of one thread; grows and is reused.
struct ImageMaskScratch {
  std::vector<PasteRow> rows;
  std::vector<float> columns;
  std::vector<PasteChange> changes;
  std::vector<RunBuilder> levels;
};

// Fills the areas, level counts, runs and texts of `result`, those of its levels if `level_masks`. No plane of the
// image's size is made: 16 columns at a time are read down as lists of changes, which are what runs are made of.
// Returns false, with runs unspecified, where the amodal mask is empty.
bool image_masks(const PasteObject& object, bool level_masks, ImageMaskScratch& scratch, ResultObject& result);

}  // namespace sln
