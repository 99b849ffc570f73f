// Annotated images: COCOA's schema (one annotation an image, with "regions"), or COCO's (one annotation a region).
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "evaluation/mask.h"

namespace sln::evaluation {

struct Region {
  Mask amodal;
  Mask visible, hidden;  // disjoint parts of amodal as annotated, or as the pairs in front give them
  double occlude_rate = 0;
  bool is_stuff = false;
  bool crowd = false;  // COCO's iscrowd: ignored, matched as often as wanted, by the detection's own share in it
};

// Region `front` is in front of `behind`; numbers in AnnotatedImage::regions.
struct OrderedPair {
  int front = 0, behind = 0;
  int64_t overlap = 0;  // pixels that the two amodal masks share
};

struct AnnotatedImage {
  int64_t id = 0;
  std::string file_name;
  int width = 0, height = 0;  // pixels
  std::vector<Region> regions;
  std::vector<OrderedPair> pairs;
};

struct Dataset {
  std::vector<AnnotatedImage> images;     // annotated (and by the author asked for), ascending id
  std::map<int64_t, size_t> index;        // of each of them by id
  std::map<int64_t, bool> all_image_ids;  // every image of the file: whether it is among `images`
};

// text: the file's bytes; file: its name, for errors. author: only annotations of this author ("" for all of them).
// Pairs are those of "depth_constraint"; where it is empty, every two regions with different "order" whose masks
// intersect, the lower in front. A hidden part that is not annotated is what the regions in front cover.
// Throws Error(kFormat) that names file, annotation, region and key.
Dataset parse_dataset(const std::string& text, const std::string& file, const std::string& author);

}  // namespace sln::evaluation
