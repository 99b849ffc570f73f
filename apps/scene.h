// What one run found in one image, as plain data: what the writers and the overlay work from.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace sln::apps {

struct SceneObject {
  float box[4] = {0, 0, 0, 0};  // x0 y0 x1 y1, image pixels
  float score = 0;
  float objectness = 0;
  float mean_confidence = 0;
  int64_t anchor = 0;
  int64_t amodal_area = 0;            // pixels
  int64_t visible_area = 0;           // pixels
  std::vector<int64_t> level_counts;  // (K) pixels
  std::string amodal_rle;             // compressed COCO form, image grid
  std::string visible_rle;
  std::vector<std::string> level_rles;  // (K) level by level; () unless asked for
  int depth = 0;                        // 1 = front-most, by depth_order()
};

struct ScenePair {
  int front = 0, behind = 0;  // object numbers; undecided pairs: in order of score
  bool decided = false;
  int64_t overlap = 0;  // canvas pixels
  int regions = 0;
  int64_t largest_region = 0;  // canvas pixels
};

struct StageTime {
  std::string name;
  double seconds = 0;
  int64_t macs = 0;
};

struct Scene {
  std::string file;  // relative path
  int64_t image_id = 0;
  int width = 0, height = 0;  // image pixels
  int orientation = 1;        // EXIF orientation that was applied
  int proposals = 0, dropped_empty = 0, dropped_by_nms = 0;
  std::vector<SceneObject> objects;  // by score, descending
  std::vector<ScenePair> pairs;
  std::vector<StageTime> stages;
  double decode_seconds = 0;  // reading and decoding the file
  double run_seconds = 0;     // the engine's run
};

// One number per object, 1 = front-most: repeatedly the object of the highest score (the lowest number) that nothing
// remaining is in front of. Where a cycle leaves none, it is the one of the highest score among those that are in front
// of everything that is in front of them, so that only the cycle itself is broken.
std::vector<int> depth_order(int object_count, const std::vector<ScenePair>& pairs);

}  // namespace sln::apps
