// What one run found, as plain data. decode fills it, sln_result.cpp hands it out.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace sln {

// COCO run lengths, column-major, beginning with the zeros.
using Runs = std::vector<uint32_t>;

struct ResultObject {
  float box[4] = {0, 0, 0, 0};  // x0 y0 x1 y1, image pixels, inside of the image
  float score = 0;
  float objectness = 0;
  float mean_confidence = 0;
  int proposal = 0;                                 // slot among the proposals
  int anchor = 0;                                   // flat anchor index
  int64_t amodal_area = 0;                          // image pixels
  int64_t visible_area = 0;                         // image pixels
  std::vector<int64_t> level_counts;                // (K) image pixels
  Runs amodal, visible, hidden;                     // on the image grid
  std::string amodal_rle, visible_rle, hidden_rle;  // compressed COCO text
  std::vector<Runs> levels;                         // (K) the amodal mask's pixels at each level; () unless asked for
  std::vector<std::string> level_rles;              // the same as text
};

struct ResultPair {
  int a = 0, b = 0;            // object indices, a < b
  int order = 0;               // 1: a in front, -1: b in front, 0: undecided
  int64_t overlap = 0;         // pixels of Omega, canvas grid
  int regions = 0;             // 4-connected regions of R > 0 and of R < 0
  int64_t largest_region = 0;  // pixels, canvas grid
};

struct Result {
  int width = 0, height = 0;  // image pixels
  int levels = 0;             // K
  int proposals = 0;
  int dropped_empty = 0;
  int dropped_by_nms = 0;             // by the mask NMS or by visible_overlap
  std::vector<ResultObject> objects;  // by score, descending
  std::vector<ResultPair> pairs;      // ascending (a, b)
};

}  // namespace sln
