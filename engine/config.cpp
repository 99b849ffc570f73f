#include "engine/config.h"

#include <cmath>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "engine/error.h"

namespace sln {
namespace {

using Json = nlohmann::json;

// Reads the fields of one JSON object, and knows which have not been read.
class Fields {
 public:
  Fields(const Json& object, const std::string& where) : object_(object), where_(where) {
    for (const auto& item : object.items()) unread_.insert(item.key());
  }

  const Json& take(const char* key) {
    const auto found = object_.find(key);
    if (found == object_.end())
      fail(ErrorKind::kFormat, where_, ": expected every key of a config, found that key '", key, "' is missing");
    unread_.erase(key);
    return *found;
  }

  std::string text(const char* key) {
    const Json& value = take(key);
    if (!value.is_string()) wrong(key, "a string", value);
    return value.get<std::string>();
  }

  int integer(const char* key, int low, int high) { return check_integer(key, take(key), low, high); }

  double number(const char* key, double low, double high) { return check_number(key, take(key), low, high); }

  std::vector<int> integers(const char* key, size_t low_count, size_t high_count, int low, int high) {
    std::vector<int> out;
    for (const Json& value : array(key, low_count, high_count)) out.push_back(check_integer(key, value, low, high));
    return out;
  }

  std::vector<double> numbers(const char* key, size_t low_count, size_t high_count, double low, double high) {
    std::vector<double> out;
    for (const Json& value : array(key, low_count, high_count)) out.push_back(check_number(key, value, low, high));
    return out;
  }

  void finish() const {
    if (!unread_.empty()) fail(ErrorKind::kFormat, where_, ": unknown key '", *unread_.begin(), "'");
  }

  const std::string& where() const { return where_; }

 private:
  [[noreturn]] void wrong(const char* key, const std::string& expected, const Json& found) const {
    fail(ErrorKind::kFormat, where_, ": ", key, ": expected ", expected, ", found ", found.dump());
  }

  const Json& array(const char* key, size_t low, size_t high) {
    const Json& value = take(key);
    if (!value.is_array() || value.size() < low || value.size() > high)
      wrong(key, concat("an array of ", low, low == high ? "" : concat(" to ", high), " numbers"), value);
    return value;
  }

  int check_integer(const char* key, const Json& value, int low, int high) const {
    if (!value.is_number_integer() || value.get<double>() < low || value.get<double>() > high)
      wrong(key, concat("an integer from ", low, " to ", high), value);
    return value.get<int>();
  }

  double check_number(const char* key, const Json& value, double low, double high) const {
    if (!value.is_number() || !(value.get<double>() >= low && value.get<double>() <= high))
      wrong(key, concat("a number from ", low, " to ", high), value);
    return value.get<double>();
  }

  const Json& object_;
  std::string where_;
  std::set<std::string> unread_;
};

void check_divisible(const Fields& fields, const char* what, int value, int divisor) {
  if (value % divisor != 0)
    fail(ErrorKind::kFormat, fields.where(), ": ", what, ": expected a multiple of ", divisor, ", found ", value);
}

// Reads the name of one of the table's entries.
template <typename Entry, size_t kCount>
const Entry* one_of(Fields& fields, const char* key, const Entry (&table)[kCount]) {
  const std::string name = fields.text(key);
  std::string names;
  for (const Entry& entry : table) {
    if (name == entry.name) return &entry;
    names += concat(names.empty() ? "\"" : ", \"", entry.name, "\"");
  }
  fail(ErrorKind::kUnsupported, fields.where(), ": ", key, ": expected one of ", names, ", found \"", name, "\"");
}

void read_network(Fields& fields, Config& config) {
  config.network = one_of(fields, "network", kNetworks);
  config.encoder = one_of(fields, "encoder", kEncoders);
  const int levels = config.network->levels;
  const auto stages = static_cast<size_t>(config.encoder->stages);
  config.side = fields.integer("side", 32, 8192);
  check_divisible(fields, "side", config.side, 32);
  config.layers = fields.integer("layers", levels == 0 ? 1 : levels, levels == 0 ? 15 : levels);
  config.feature_channels = fields.integer("feature_channels", 1, 4096);
  config.head_channels = fields.integer("head_channels", 1, 4096);
  config.roi_side = fields.integer("roi_side", 2, 256);
  config.max_rois = fields.integer("max_rois", 1, 10000);
  config.blocks = fields.integers("blocks", stages, stages, 1, 1000);
  config.stem_channels = fields.integer("stem_channels", 1, 1024);
}

void read_proposals(Fields& fields, Config& config) {
  config.rpn_channels = fields.integer("rpn_channels", 1, 8192);
  config.rpn_stride = fields.integer("rpn_stride", 4, 256);
  check_divisible(fields, "rpn_stride", config.rpn_stride, 4);
  check_divisible(fields, "side", config.side, config.rpn_stride);
  config.anchor_ratios = fields.numbers("anchor_ratios", 1, 64, 0.01, 100);
  config.anchor_scales = fields.numbers("anchor_scales", 1, 64, 1e-4, 16);
  config.pre_nms = fields.integer("pre_nms", 1, 100000);
  config.nms_iou = fields.number("nms_iou", 0, 1);
  config.min_box = fields.number("min_box", 0, 1);
}

}  // namespace

Config parse_config(const std::string& json, const std::string& where) {
  const Json object = Json::parse(json, nullptr, false);
  if (!object.is_object()) fail(ErrorKind::kFormat, where, ": expected a JSON object, found something else");
  Fields fields(object, where);
  Config config;
  read_network(fields, config);
  read_proposals(fields, config);
  const std::vector<double> mean = fields.numbers("mean", 3, 3, -1000, 1000);
  const std::vector<double> std = fields.numbers("std", 3, 3, 1e-3, 1e4);
  for (int c = 0; c < 3; ++c) {
    config.mean[c] = mean[static_cast<size_t>(c)];
    config.std[c] = std[static_cast<size_t>(c)];
  }
  config.bn_eps = fields.number("bn_eps", 1e-12, 1);
  fields.finish();
  return config;
}

}  // namespace sln
