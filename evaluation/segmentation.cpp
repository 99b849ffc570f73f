#include "evaluation/segmentation.h"

#include <algorithm>
#include <cmath>

#include "engine/error.h"
#include "evaluation/polygon.h"

namespace sln::evaluation {
namespace {

using Json = nlohmann::json;

std::vector<int64_t> runs_of(const Json& counts, int64_t pixels, const std::string& where) {
  if (counts.is_string()) return decode_runs(counts.get_ref<const std::string&>(), pixels);
  if (!counts.is_array())
    fail(ErrorKind::kFormat, where, ".counts: expected text or a list of run lengths, found ", excerpt(counts));
  std::vector<int64_t> runs;
  for (const Json& run : counts) {
    if (!run.is_number_integer() || run.get<int64_t>() < 0 || run.get<int64_t>() > pixels)
      fail(ErrorKind::kFormat, where, ".counts: expected run lengths of 0 to ", pixels, ", found ", excerpt(run));
    runs.push_back(run.get<int64_t>());
  }
  return runs;
}

Mask parse_rle(const Json& value, int width, int height, const std::string& where) {
  const auto size = value.find("size");
  const auto counts = value.find("counts");
  if (size == value.end() || counts == value.end())
    fail(ErrorKind::kFormat, where, ": expected a mask with \"size\" and \"counts\", found ", excerpt(value));
  if (*size != Json::array({height, width}))
    fail(ErrorKind::kFormat, where, ".size: expected [", height, ", ", width,
         "] (height and width of the image), found ", excerpt(*size));
  try {
    return mask_of_runs(runs_of(*counts, int64_t{width} * height, where), width, height);
  } catch (const Error& error) {
    const std::string text = error.what();
    if (text.rfind(where, 0) == 0) throw;
    fail(ErrorKind::kFormat, where, ".counts: ", text);
  }
}

Mask parse_polygon(const Json& list, int width, int height, const std::string& where) {
  if (list.size() < 6 || list.size() % 2 != 0)
    fail(ErrorKind::kFormat, where, ": expected a polygon of at least 3 points, x and y each, found ", list.size(),
         " numbers");
  std::vector<double> xy;
  xy.reserve(list.size());
  for (const Json& number : list) {
    if (!number.is_number() || !(std::fabs(number.get<double>()) <= kMaxCoordinate))
      fail(ErrorKind::kFormat, where, ": expected coordinates from -", kMaxCoordinate, " to ", kMaxCoordinate,
           ", found ", excerpt(number));
    xy.push_back(number.get<double>());
  }
  return rasterise_polygon(xy, width, height);
}

}  // namespace

Mask parse_segmentation(const Json& value, int width, int height, const std::string& where) {
  if (value.is_object()) return parse_rle(value, width, height, where);
  if (!value.is_array() || value.empty())
    fail(ErrorKind::kFormat, where, ": expected a run-length code or polygons, found ", excerpt(value));
  if (!value.front().is_array()) return parse_polygon(value, width, height, where);
  Mask mask = empty_mask(width, height);
  for (const Json& polygon : value) {
    if (!polygon.is_array())
      fail(ErrorKind::kFormat, where, ": expected a list of polygons, found ", excerpt(polygon), " in it");
    mask = unite(mask, parse_polygon(polygon, width, height, where));
  }
  return mask;
}

std::string json_problem(const Json::exception& error) {
  std::string text = error.what();
  const size_t end = text.find("] ");
  if (text.rfind("[json.exception", 0) == 0 && end != std::string::npos) text.erase(0, end + 2);
  return text;
}

Json parse_json(const std::string& text, const std::string& file) {
  try {
    return Json::parse(text);
  } catch (const Json::exception& error) {
    fail(ErrorKind::kFormat, file, ": expected JSON, found: ", json_problem(error));
  }
}

std::string excerpt(const Json& value) {
  // Only short and flat values are written out: writing recurses, and a file may nest as deep as it is long.
  const auto is_flat = [](const Json& item) { return !item.is_structured(); };
  constexpr size_t kItems = 4;
  if (value.is_object()) return "an object";
  if (value.is_array() && (value.size() > kItems || !std::all_of(value.begin(), value.end(), is_flat)))
    return concat("a list of ", value.size());
  std::string text = value.dump(-1, ' ', false, Json::error_handler_t::replace);
  constexpr size_t kShown = 40;
  if (text.size() > kShown) text = text.substr(0, kShown) + "...";
  return text;
}

}  // namespace sln::evaluation
