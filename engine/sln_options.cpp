// The C API's options.
#include <string>

#include "engine/api.h"

using namespace sln::api;
using sln::ErrorKind;
using sln::fail;
using sln::Options;

namespace {

// An option that a number sets: its range, and how.
template <typename Number>
struct NumberOption {
  const char* name;
  Number low, high;
  void (*set)(Options& options, Number value);
};

constexpr NumberOption<int64_t> kIntegers[] = {
    {"threads", 1, 256, [](Options& o, int64_t value) { o.threads = static_cast<int>(value); }},
    {"capture", 0, 1, [](Options& o, int64_t value) { o.capture = value != 0; }},
    {"level_masks", 0, 1, [](Options& o, int64_t value) { o.decode.level_masks = value != 0; }},
    {"refine", 0, 1, [](Options& o, int64_t value) { o.refine = value != 0; }},
};

constexpr NumberOption<double> kFloats[] = {
    {"score_threshold", 0, 1, [](Options& o, double value) { o.score_threshold = value; }},
    {"mask_nms", 0, 1, [](Options& o, double value) { o.decode.mask_nms = value; }},
    {"visible_overlap", 0, 1, [](Options& o, double value) { o.decode.visible_overlap = value; }},
    {"mask_threshold", 0.001, 0.998, [](Options& o, double value) { o.decode.mask_threshold = value; }},
};

// "a, b or c".
template <typename Option, size_t kCount>
std::string names_of(const Option (&table)[kCount]) {
  std::string names;
  for (size_t i = 0; i < kCount; ++i)
    names += std::string(i == 0 ? "" : i + 1 < kCount ? ", " : " or ") + table[i].name;
  return names;
}

template <typename Number, size_t kCount>
void set_number(const NumberOption<Number> (&table)[kCount], const char* kind, const std::string& name, Number value,
                Options& options) {
  for (const NumberOption<Number>& option : table) {
    if (name != option.name) continue;
    if (!(value >= option.low && value <= option.high))
      fail(ErrorKind::kInvalidArgument, "option ", name, ": expected ", option.low, " to ", option.high, ", found ",
           value);
    option.set(options, value);
    return;
  }
  fail(ErrorKind::kInvalidArgument, "option ", name, ": expected ", names_of(table), " as ", kind, " option");
}

}  // namespace

sln_status sln_options_create(sln_options** options) {
  return guarded([&] {
    need(options, "sln_options_create", "options");
    *options = new sln_options();
  });
}

void sln_options_destroy(sln_options* options) {
  delete options;
}

sln_status sln_options_set_int(sln_options* options, const char* name, int64_t value) {
  return guarded([&] {
    need(options, "sln_options_set_int", "options");
    need(name, "sln_options_set_int", "name");
    set_number(kIntegers, "an integer", name, value, options->values);
  });
}

sln_status sln_options_set_float(sln_options* options, const char* name, double value) {
  return guarded([&] {
    need(options, "sln_options_set_float", "options");
    need(name, "sln_options_set_float", "name");
    set_number(kFloats, "a number", name, value, options->values);
  });
}

sln_status sln_options_set_string(sln_options* options, const char* name, const char* value) {
  return guarded([&] {
    need(options, "sln_options_set_string", "options");
    need(name, "sln_options_set_string", "name");
    need(value, "sln_options_set_string", "value");
    const std::string key = name;
    const std::string text = value;
    if (key == "device") {
      sln::check_device_name(text);
      options->values.device = text;
    } else if (key == "score_mode") {
      if (text != "mask" && text != "objectness")
        fail(ErrorKind::kInvalidArgument, "option score_mode: expected mask or objectness, found '", text, "'");
      options->values.decode.score_mode = text == "mask" ? sln::ScoreMode::kMask : sln::ScoreMode::kObjectness;
    } else {
      fail(ErrorKind::kInvalidArgument, "option ", key, ": expected device or score_mode as a text option");
    }
  });
}
