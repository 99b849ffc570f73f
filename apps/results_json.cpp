#include "apps/results_json.h"

#include <cmath>
#include <nlohmann/json.hpp>

#include "apps/numbers.h"

namespace sln::apps {
namespace {

using Json = nlohmann::ordered_json;

// One line; file names that are not UTF-8 get replacement characters, since JSON has no other way.
std::string dump(const Json& value) {
  return value.dump(-1, ' ', false, Json::error_handler_t::replace);
}

// x, y, w, h of x0, y0, x1, y1. In double, where x + w is exactly the box's right side, so that it stays in the image.
Json coco_box(const float* box) {
  const double x = box[0], y = box[1];
  return Json::array({x, y, box[2] - x, box[3] - y});
}

Json rle(const Scene& scene, const std::string& counts) {
  return Json{{"size", {scene.height, scene.width}}, {"counts", counts}};
}

Json result_entry(const Scene& scene, const SceneObject& object) {
  Json entry = {{"image_id", scene.image_id},
                {"category_id", 1},
                {"bbox", coco_box(object.box)},
                {"score", shortest_double(object.score)},
                {"segmentation", rle(scene, object.amodal_rle)},
                {"visible_segmentation", rle(scene, object.visible_rle)},
                {"level_counts", object.level_counts}};
  for (const std::string& level : object.level_rles) entry["level_segmentations"].push_back(rle(scene, level));
  return entry;
}

Json scene_object(int id, const SceneObject& object) {
  return Json{{"id", id},
              {"score", shortest_double(object.score)},
              {"objectness", shortest_double(object.objectness)},
              {"mean_confidence", shortest_double(object.mean_confidence)},
              {"anchor", object.anchor},
              {"bbox", coco_box(object.box)},
              {"amodal_area", object.amodal_area},
              {"visible_area", object.visible_area},
              {"level_counts", object.level_counts},
              {"depth", object.depth}};
}

Json scene_pair(const ScenePair& pair) {
  return Json{{"front", pair.front},     {"behind", pair.behind},   {"decided", pair.decided},
              {"overlap", pair.overlap}, {"regions", pair.regions}, {"largest_region", pair.largest_region}};
}

// A list with one entry a line: easy to read and to compare line by line.
template <typename Items, typename Write>
std::string lines(const Items& items, const char* indent, Write write) {
  std::string out = "[";
  for (size_t i = 0; i < items.size(); ++i) {
    out += (i == 0 ? "\n" : ",\n") + std::string(indent) + dump(write(i, items[i]));
  }
  return out + "]";
}

std::string field(const char* name, const Json& value) {
  return "\"" + std::string(name) + "\": " + dump(value);
}

// Microseconds are plenty, and keep the file short.
double rounded(double seconds) {
  return std::floor(seconds * 1e6 + 0.5) / 1e6;
}

}  // namespace

std::string results_begin() {
  return "[";
}

std::string results_entries(const Scene& scene, bool first) {
  std::string out;
  for (const SceneObject& object : scene.objects) {
    out += (first ? "\n" : ",\n") + dump(result_entry(scene, object));
    first = false;
  }
  return out;
}

std::string results_end() {
  return "\n]\n";
}

std::string scenes_begin(const ModelSummary& model, const RunSettings& settings) {
  const Json about = {{"weights", model.weights},
                      {"config_sha256", model.config_sha256},
                      {"source_sha256", model.source_sha256},
                      {"side", model.side},
                      {"levels", model.levels}};
  const Json options = {{"score_threshold", settings.score_threshold},
                        {"mask_nms", settings.mask_nms},
                        {"visible_overlap", settings.visible_overlap},
                        {"mask_threshold", settings.mask_threshold},
                        {"score_mode", settings.score_mode},
                        {"refine", settings.refine},
                        {"apply_orientation", settings.apply_orientation}};
  return "{" + field("sln_version", model.version) + ",\n" + field("model", about) + ",\n" + field("options", options) +
         ",\n\"images\": [";
}

std::string scenes_entry(const Scene& scene, bool first) {
  std::string out = first ? "\n{" : ",\n{";
  out += field("file", scene.file) + ", " + field("image_id", scene.image_id) + ", " + field("width", scene.width) +
         ", " + field("height", scene.height) + ", " + field("orientation_applied", scene.orientation) + ", " +
         field("proposals", scene.proposals) + ", " + field("dropped_empty", scene.dropped_empty) + ", " +
         field("dropped_by_nms", scene.dropped_by_nms) + ",\n";
  out += " \"objects\": " + lines(scene.objects, "  ", [](size_t i, const SceneObject& object) {
           return scene_object(static_cast<int>(i), object);
         });
  out += ",\n \"pairs\": " + lines(scene.pairs, "  ", [](size_t, const ScenePair& pair) { return scene_pair(pair); });
  return out + "}";
}

std::string scenes_end() {
  return "\n]}\n";
}

std::string timings_begin(const ModelSummary& model, const MachineSummary& machine) {
  return "{" + field("sln_version", model.version) + ",\n" + field("device", machine.device) + ", " +
         field("isa", machine.isa) + ", " + field("threads", machine.threads) + ",\n\"images\": [";
}

std::string timings_entry(const Scene& scene, bool first) {
  Json stages = Json::array();
  for (const StageTime& stage : scene.stages) {
    stages.push_back({{"name", stage.name}, {"seconds", rounded(stage.seconds)}, {"macs", stage.macs}});
  }
  const Json entry = {{"file", scene.file},
                      {"image_id", scene.image_id},
                      {"decode_seconds", rounded(scene.decode_seconds)},
                      {"run_seconds", rounded(scene.run_seconds)},
                      {"stages", stages}};
  return (first ? "\n" : ",\n") + dump(entry);
}

std::string timings_end() {
  return "\n]}\n";
}

}  // namespace sln::apps
