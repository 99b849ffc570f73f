// A "segmentation" of a JSON file as a mask.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "evaluation/mask.h"

namespace sln::evaluation {

// Forms: {"size": [height, width], "counts": compressed text or list of run lengths}; one flat list of polygon
// coordinates (COCOA); a list of such lists, whose union it is (COCO). Polygons are drawn on width x height pixels; a
// run-length code must be of that size. Throws Error(kFormat): where (file, entry, key), expected, found.
Mask parse_segmentation(const nlohmann::json& value, int width, int height, const std::string& where);

// The JSON text of a file; errors name `file`.
nlohmann::json parse_json(const std::string& text, const std::string& file);

// What went wrong in a text of JSON, without the library's own prefix.
std::string json_problem(const nlohmann::json::exception& error);

// A short piece of JSON, for "found ...".
std::string excerpt(const nlohmann::json& value);

}  // namespace sln::evaluation
