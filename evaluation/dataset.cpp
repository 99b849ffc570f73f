#include "evaluation/dataset.h"

#include <charconv>
#include <cmath>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>

#include "engine/error.h"
#include "evaluation/segmentation.h"

namespace sln::evaluation {
namespace {

using Json = nlohmann::json;

// A region while its image is read.
struct RawRegion {
  Region region;
  std::optional<double> occlude_rate;
  std::optional<int64_t> order;
  bool has_visible = false, has_hidden = false;
};

struct RawImage {
  AnnotatedImage image;
  bool annotated = false;
  std::vector<RawRegion> regions;
  std::string constraint;
  std::string where;  // of its annotation
};

const Json& need(const Json& object, const char* key, const std::string& where) {
  if (!object.is_object()) fail(ErrorKind::kFormat, where, ": expected an object, found ", excerpt(object));
  const auto found = object.find(key);
  if (found == object.end()) fail(ErrorKind::kFormat, where, ": expected \"", key, "\", found none");
  return *found;
}

int64_t need_integer(const Json& object, const char* key, const std::string& where, int64_t low, int64_t high) {
  const Json& value = need(object, key, where);
  const bool beyond = value.is_number_unsigned() && value.get<uint64_t>() > uint64_t{INT64_MAX};
  if (!value.is_number_integer() || beyond || value.get<int64_t>() < low || value.get<int64_t>() > high)
    fail(ErrorKind::kFormat, where, ".", key, ": expected a whole number from ", low, " to ", high, ", found ",
         excerpt(value));
  return value.get<int64_t>();
}

const Json* optional_value(const Json& object, const char* key) {
  const auto found = object.find(key);
  return found == object.end() || found->is_null() ? nullptr : &*found;
}

bool flag(const Json& object, const char* key, const std::string& where) {
  const Json* value = optional_value(object, key);
  if (value == nullptr) return false;
  if (*value == 0 || *value == false) return false;
  if (*value == 1 || *value == true) return true;
  fail(ErrorKind::kFormat, where, ".", key, ": expected 0 or 1, found ", excerpt(*value));
}

RawRegion parse_region(const Json& value, const AnnotatedImage& image, const std::string& where) {
  RawRegion raw;
  Region& region = raw.region;
  const auto mask = [&](const Json& segmentation, const char* key) {
    return parse_segmentation(segmentation, image.width, image.height, where + "." + key);
  };
  region.amodal = mask(need(value, "segmentation", where), "segmentation");
  region.is_stuff = flag(value, "isStuff", where);
  region.crowd = flag(value, "iscrowd", where);
  if (const Json* visible = optional_value(value, "visible_mask")) {
    region.visible = mask(*visible, "visible_mask");
    raw.has_visible = true;
  }
  if (const Json* hidden = optional_value(value, "invisible_mask")) {
    region.hidden = mask(*hidden, "invisible_mask");
    raw.has_hidden = true;
  }
  if (const Json* rate = optional_value(value, "occlude_rate")) {
    if (!rate->is_number() || !(rate->get<double>() >= 0 && rate->get<double>() <= 1))
      fail(ErrorKind::kFormat, where, ".occlude_rate: expected a number from 0 to 1, found ", excerpt(*rate));
    raw.occlude_rate = rate->get<double>();
  }
  if (optional_value(value, "order") != nullptr) raw.order = need_integer(value, "order", where, INT32_MIN, INT32_MAX);
  return raw;
}

// "1-2,1-3": region numbers from 1, the first in front of the second.
std::vector<OrderedPair> parse_constraint(const std::string& text, int regions, const std::string& where) {
  std::vector<OrderedPair> pairs;
  std::set<std::pair<int, int>> seen;
  const char* at = text.data();
  const char* end = at + text.size();
  const auto number = [&] {
    int value = 0;
    const auto parsed = std::from_chars(at, end, value);
    if (parsed.ec != std::errc() || value < 1 || value > regions)
      fail(ErrorKind::kFormat, where, ".depth_constraint: expected pairs \"front-behind\" of regions 1 to ", regions,
           ", found \"", std::string(at, end).substr(0, 20), "\"");
    at = parsed.ptr;
    return value - 1;
  };
  while (at != end) {
    OrderedPair pair;
    pair.front = number();
    if (at == end || *at++ != '-')
      fail(ErrorKind::kFormat, where, ".depth_constraint: expected \"-\" after region ", pair.front + 1,
           ", found another text");
    pair.behind = number();
    if (at != end && (*at++ != ',' || at == end))
      fail(ErrorKind::kFormat, where, ".depth_constraint: expected \",\" and another pair, found \"",
           std::string(at - 1, end).substr(0, 20), "\"");
    if (pair.front == pair.behind || seen.count({pair.behind, pair.front}) != 0)
      fail(ErrorKind::kFormat, where, ".depth_constraint: expected one region in front of another, found region ",
           pair.front + 1, " in front of and behind ", pair.behind + 1);
    if (seen.insert({pair.front, pair.behind}).second) pairs.push_back(pair);
  }
  return pairs;
}

std::vector<OrderedPair> pairs_of(const RawImage& raw) {
  const int count = static_cast<int>(raw.regions.size());
  const auto region = [&](int i) -> const RawRegion& { return raw.regions[static_cast<size_t>(i)]; };
  std::vector<OrderedPair> pairs = parse_constraint(raw.constraint, count, raw.where);
  for (OrderedPair& pair : pairs) {
    pair.overlap = intersection_area(region(pair.front).region.amodal, region(pair.behind).region.amodal);
  }
  if (!pairs.empty()) return pairs;
  for (int i = 0; i < count; ++i) {
    for (int j = i + 1; j < count; ++j) {
      if (!region(i).order || !region(j).order || *region(i).order == *region(j).order) continue;
      const int64_t overlap = intersection_area(region(i).region.amodal, region(j).region.amodal);
      if (overlap == 0) continue;
      const bool first = *region(i).order < *region(j).order;
      pairs.push_back({first ? i : j, first ? j : i, overlap});
    }
  }
  return pairs;
}

// For each region, those in front of it that it meets.
std::vector<std::vector<size_t>> regions_in_front(const RawImage& raw) {
  std::vector<std::vector<size_t>> in_front(raw.regions.size());
  for (const OrderedPair& pair : raw.image.pairs) {
    if (pair.overlap > 0) in_front[static_cast<size_t>(pair.behind)].push_back(static_cast<size_t>(pair.front));
  }
  return in_front;
}

// What of a mask the regions in front of it cover.
Mask covered(const RawImage& raw, const Mask& amodal, const std::vector<size_t>& in_front) {
  Mask hidden = empty_mask(amodal.width, amodal.height);
  for (const size_t front : in_front) hidden = unite(hidden, intersect(amodal, raw.regions[front].region.amodal));
  return hidden;
}

// Fills in pairs, hidden and visible parts and occlusion rates.
AnnotatedImage finished(RawImage raw) {
  raw.image.pairs = pairs_of(raw);
  const std::vector<std::vector<size_t>> in_front = regions_in_front(raw);
  for (size_t i = 0; i < raw.regions.size(); ++i) {
    RawRegion& one = raw.regions[i];
    Region& region = one.region;
    if (!one.has_hidden) {
      const bool unoccluded = one.occlude_rate && *one.occlude_rate == 0;
      region.hidden = one.has_visible ? subtract(region.amodal, region.visible)
                      : unoccluded    ? empty_mask(raw.image.width, raw.image.height)
                                      : covered(raw, region.amodal, in_front[i]);
    }
    // Annotated by hand, the parts may reach beyond the whole, by pixels; a share above 1 would be in no bin.
    region.hidden = intersect(region.hidden, region.amodal);
    if (one.has_visible) region.visible = intersect(region.visible, region.amodal);
    if (!one.has_visible) region.visible = subtract(region.amodal, region.hidden);
    const double share = region.amodal.area == 0
                             ? 0.0
                             : static_cast<double>(region.hidden.area) / static_cast<double>(region.amodal.area);
    region.occlude_rate = one.occlude_rate ? *one.occlude_rate : share;
  }
  for (RawRegion& one : raw.regions) raw.image.regions.push_back(std::move(one.region));
  return std::move(raw.image);
}

std::map<int64_t, RawImage> parse_images(const Json& root, const std::string& file) {
  std::map<int64_t, RawImage> images;
  const Json& list = need(root, "images", file);
  if (!list.is_array()) fail(ErrorKind::kFormat, file, ": images: expected a list, found ", excerpt(list));
  for (size_t i = 0; i < list.size(); ++i) {
    const std::string where = concat(file, ": images[", i, "]");
    RawImage raw;
    raw.image.id = need_integer(list[i], "id", where, INT64_MIN, INT64_MAX);
    raw.image.width = static_cast<int>(need_integer(list[i], "width", where, 1, 65535));
    raw.image.height = static_cast<int>(need_integer(list[i], "height", where, 1, 65535));
    if (int64_t{raw.image.width} * raw.image.height > kMaxPixels)
      fail(ErrorKind::kFormat, where, ": expected an image of at most ", kMaxPixels, " pixels, found ", raw.image.width,
           " x ", raw.image.height);
    const Json* name = optional_value(list[i], "file_name");
    if (name != nullptr && name->is_string()) raw.image.file_name = name->get<std::string>();
    const int64_t id = raw.image.id;
    if (!images.emplace(id, std::move(raw)).second)
      fail(ErrorKind::kFormat, where, ".id: expected each image id once, found ", id, " twice");
  }
  return images;
}

RawImage& image_of(std::map<int64_t, RawImage>& images, const Json& annotation, const std::string& where) {
  const int64_t id = need_integer(annotation, "image_id", where, INT64_MIN, INT64_MAX);
  const auto found = images.find(id);
  if (found == images.end())
    fail(ErrorKind::kFormat, where, ".image_id: expected the id of one of \"images\", found ", id);
  return found->second;
}

// COCOA: the annotation holds all regions of its image.
void add_regions(const Json& annotation, RawImage& raw, const std::string& where) {
  if (raw.annotated)
    fail(ErrorKind::kFormat, where, ": expected one annotation an image, found a second one of image ", raw.image.id,
         " (--author chooses)");
  raw.where = where;
  const Json& regions = need(annotation, "regions", where);
  if (!regions.is_array()) fail(ErrorKind::kFormat, where, ".regions: expected a list, found ", excerpt(regions));
  for (size_t i = 0; i < regions.size(); ++i) {
    raw.regions.push_back(parse_region(regions[i], raw.image, concat(where, ".regions[", i, "]")));
  }
  const Json* constraint = optional_value(annotation, "depth_constraint");
  if (constraint == nullptr) return;
  if (!constraint->is_string())
    fail(ErrorKind::kFormat, where, ".depth_constraint: expected text, found ", excerpt(*constraint));
  raw.constraint = constraint->get<std::string>();
}

// Reads every annotation of the author into its image.
void parse_annotations(const Json& root, const std::string& file, const std::string& author,
                       std::map<int64_t, RawImage>& images) {
  const Json& list = need(root, "annotations", file);
  if (!list.is_array()) fail(ErrorKind::kFormat, file, ": annotations: expected a list, found ", excerpt(list));
  const bool by_image = !list.empty() && list.front().is_object() && list.front().contains("regions");
  std::set<std::string> authors;
  bool found_author = author.empty();
  for (size_t i = 0; i < list.size(); ++i) {
    const std::string where = concat(file, ": annotations[", i, "]");
    RawImage& raw = image_of(images, list[i], where);
    const Json* name = optional_value(list[i], "author");
    const std::string by = name != nullptr && name->is_string() ? name->get<std::string>() : "";
    authors.insert(by);
    if (!author.empty() && by != author) continue;
    found_author = true;
    if (by_image) {
      add_regions(list[i], raw, where);
    } else {
      raw.where = where;
      raw.regions.push_back(parse_region(list[i], raw.image, where));
    }
    raw.annotated = true;
  }
  // With one annotation a region, an image without any is one that has nothing on it.
  for (auto& entry : images) entry.second.annotated |= !by_image && author.empty();
  std::string names;
  for (const std::string& by : authors) names += (names.empty() ? "\"" : ", \"") + by + "\"";
  if (!found_author)
    fail(ErrorKind::kFormat, file, ": expected annotations of author \"", author, "\", found ",
         names.empty() ? "none at all" : "only those of " + names);
}

}  // namespace

Dataset parse_dataset(const std::string& text, const std::string& file, const std::string& author) {
  const Json root = parse_json(text, file);
  std::map<int64_t, RawImage> images = parse_images(root, file);
  parse_annotations(root, file, author, images);
  Dataset dataset;
  for (auto& [id, raw] : images) {
    dataset.all_image_ids.emplace(id, raw.annotated);
    if (!raw.annotated) continue;
    dataset.index.emplace(id, dataset.images.size());
    dataset.images.push_back(finished(std::move(raw)));
  }
  if (dataset.images.empty()) fail(ErrorKind::kFormat, file, ": expected annotated images, found none");
  return dataset;
}

}  // namespace sln::evaluation
