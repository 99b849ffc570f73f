#include "evaluation/results.h"

#include <algorithm>
#include <cmath>

#include "engine/error.h"
#include "evaluation/segmentation.h"

namespace sln::evaluation {
namespace {

using Json = nlohmann::json;

std::string place(const std::string& file, size_t entry) {
  return concat(file, ": entry ", entry);
}

// Takes the entries one by one out of the parser's hands, so that the file is never in memory as a whole tree.
class Reader {
 public:
  Reader(const std::string& file, const Dataset& dataset, Results& results)
      : file_(file), dataset_(dataset), results_(results) {
    results_.file = file;
    results_.images.resize(dataset.images.size());
  }

  // A parser callback: false leaves the value out of the tree.
  bool operator()(int depth, Json::parse_event_t event, Json& value) {
    using Event = Json::parse_event_t;
    if (depth == 0 && event != Event::array_start && event != Event::array_end)
      fail(ErrorKind::kFormat, file_, ": expected a list of results, found ",
           event == Event::value ? excerpt(value) : "an object");
    if (depth != 1 || event == Event::object_start) return true;
    if (event != Event::object_end)
      fail(ErrorKind::kFormat, place(file_, entry_), ": expected an object, found ",
           event == Event::value ? excerpt(value) : "a list");
    add(value);
    ++entry_;
    return false;
  }

  void finish() {
    for (std::vector<RawDetection>& image : results_.images) {
      results_.detections += static_cast<int64_t>(image.size());
      std::stable_sort(image.begin(), image.end(),
                       [](const RawDetection& a, const RawDetection& b) { return a.score > b.score; });
    }
    results_.levels = with_levels_ == results_.detections;
    results_.visible = with_visible_ == results_.detections;
    need_all_or_none("level_segmentations", with_levels_);
    need_all_or_none("visible_segmentation", with_visible_);
  }

 private:
  void add(Json& value) {
    const std::string where = place(file_, entry_);
    const auto id = value.find("image_id");
    const bool beyond = id != value.end() && id->is_number_unsigned() && id->get<uint64_t>() > uint64_t{INT64_MAX};
    if (id == value.end() || !id->is_number_integer() || beyond)
      fail(ErrorKind::kFormat, where, ".image_id: expected a whole number, found ",
           id == value.end() ? "none" : excerpt(*id));
    const auto known = dataset_.all_image_ids.find(id->get<int64_t>());
    if (known == dataset_.all_image_ids.end())
      fail(ErrorKind::kFormat, where, ".image_id: expected an image of the annotations, found ", excerpt(*id));
    const auto score = value.find("score");
    if (score == value.end() || !score->is_number() || !std::isfinite(score->get<double>()))
      fail(ErrorKind::kFormat, where, ".score: expected a number, found ",
           score == value.end() ? "none" : excerpt(*score));
    if (value.find("segmentation") == value.end())
      fail(ErrorKind::kFormat, where, ": expected \"segmentation\", found none");
    if (!known->second) {
      ++results_.left_out;
      return;
    }
    RawDetection raw;
    raw.score = score->get<double>();
    raw.entry = entry_;
    raw.segmentation = std::move(value["segmentation"]);
    if (value.contains("visible_segmentation")) raw.visible = std::move(value["visible_segmentation"]);
    if (value.contains("level_segmentations")) raw.levels = std::move(value["level_segmentations"]);
    with_levels_ += !raw.levels.is_null();
    with_visible_ += !raw.levels.is_null() || !raw.visible.is_null();
    results_.images[dataset_.index.at(known->first)].push_back(std::move(raw));
  }

  void need_all_or_none(const char* key, int64_t found) const {
    if (found != 0 && found != results_.detections)
      fail(ErrorKind::kFormat, file_, ": expected \"", key, "\" in every entry or in none, found it in ", found, " of ",
           results_.detections);
  }

  const std::string& file_;
  const Dataset& dataset_;
  Results& results_;
  size_t entry_ = 0;
  int64_t with_levels_ = 0, with_visible_ = 0;
};

constexpr size_t kMaxLevels = 15;  // the most that a config may have

// Level masks are disjoint and make up the amodal mask.
void decode_levels(const RawDetection& raw, const std::string& where, Detection& detection) {
  if (!raw.levels.is_array() || raw.levels.empty())
    fail(ErrorKind::kFormat, where, ".level_segmentations: expected a list of masks, found ", excerpt(raw.levels));
  if (raw.levels.size() > kMaxLevels)
    fail(ErrorKind::kFormat, where, ".level_segmentations: expected at most ", kMaxLevels, " masks, found ",
         raw.levels.size());
  const Mask& amodal = detection.amodal;
  Mask all = empty_mask(amodal.width, amodal.height);
  int64_t area = 0;
  for (size_t l = 0; l < raw.levels.size(); ++l) {
    detection.levels.push_back(
        parse_segmentation(raw.levels[l], amodal.width, amodal.height, concat(where, ".level_segmentations[", l, "]")));
    area += detection.levels.back().area;
    all = unite(all, detection.levels.back());
  }
  if (area != amodal.area || all.area != amodal.area || intersection_area(all, amodal) != amodal.area)
    fail(ErrorKind::kFormat, where, ".level_segmentations: expected disjoint masks that make up the ", amodal.area,
         " pixels of \"segmentation\", found ", area, " pixels, ", intersection_area(all, amodal), " of them in it");
}

// The visible part is level 0.
void check_visible(const Detection& detection, const std::string& where) {
  const Mask& first = detection.levels.front();
  const int64_t common = intersection_area(detection.visible, first);
  if (common != first.area || common != detection.visible.area)
    fail(ErrorKind::kFormat, where, ".visible_segmentation: expected the ", first.area,
         " pixels of level_segmentations[0], found ", detection.visible.area, " pixels, ", common, " of them in it");
}

Detection decode_detection(const RawDetection& raw, const AnnotatedImage& image, const Results& results) {
  const std::string where = place(results.file, raw.entry);
  Detection detection;
  detection.score = raw.score;
  detection.amodal = parse_segmentation(raw.segmentation, image.width, image.height, where + ".segmentation");
  detection.visible = detection.hidden = empty_mask(image.width, image.height);
  if (results.levels) decode_levels(raw, where, detection);
  if (!results.visible) return detection;
  detection.visible = raw.visible.is_null()
                          ? detection.levels.front()
                          : parse_segmentation(raw.visible, image.width, image.height, where + ".visible_segmentation");
  if (results.levels) check_visible(detection, where);
  detection.hidden = subtract(detection.amodal, detection.visible);
  return detection;
}

}  // namespace

Results parse_results(const std::string& text, const std::string& file, const Dataset& dataset) {
  Results results;
  Reader reader(file, dataset, results);
  try {
    const Json rest = Json::parse(text, std::ref(reader));
    (void)rest;
  } catch (const Json::exception& error) {
    fail(ErrorKind::kFormat, file, ": expected JSON, found: ", json_problem(error));
  }
  reader.finish();
  return results;
}

std::vector<Detection> decode_detections(const Results& results, const Dataset& dataset, size_t image, size_t count) {
  const std::vector<RawDetection>& raw = results.images[image];
  std::vector<Detection> detections;
  for (size_t i = 0; i < std::min(count, raw.size()); ++i) {
    detections.push_back(decode_detection(raw[i], dataset.images[image], results));
  }
  return detections;
}

}  // namespace sln::evaluation
