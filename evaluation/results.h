// What is to be evaluated: a COCO results list, as `sln run` writes it.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "evaluation/dataset.h"

namespace sln::evaluation {

// One entry of the file. Masks stay as they are written until their image's turn, since decoded they are larger.
struct RawDetection {
  double score = 0;
  size_t entry = 0;                              // place in the file, from 0
  nlohmann::json segmentation, visible, levels;  // the latter two null where the entry has none
};

struct Detection {
  double score = 0;
  Mask amodal;
  Mask visible, hidden;      // empty unless Results::visible
  std::vector<Mask> levels;  // by level; () unless Results::levels
};

struct Results {
  std::string file;
  std::vector<std::vector<RawDetection>>
      images;              // by Dataset::images, each by falling score, equal ones as in the file
  bool visible = true;     // every entry has a visible mask, or levels
  bool levels = true;      // every entry has level masks
  int64_t detections = 0;  // on the dataset's images
  int64_t left_out = 0;    // on images of the file that have no annotation (of the author)
};

// Keys of an entry: image_id, score, segmentation; visible_segmentation and level_segmentations where there are any.
// Others are not read. Throws Error(kFormat) that names file, entry and key.
Results parse_results(const std::string& text, const std::string& file, const Dataset& dataset);

// Decodes the first `count` detections of an image.
std::vector<Detection> decode_detections(const Results& results, const Dataset& dataset, size_t image, size_t count);

}  // namespace sln::evaluation
