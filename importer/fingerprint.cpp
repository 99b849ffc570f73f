#include "importer/fingerprint.h"

#include <nlohmann/json.hpp>

#include "engine/error.h"
#include "importer/match.h"

namespace sln::importer {
namespace {

using Json = nlohmann::json;

StageFingerprint parse_stage(const Json& json, const std::string& where) {
  StageFingerprint stage;
  stage.shape = json.at("shape").get<Dims>();
  stage.mean = json.at("mean").get<double>();
  stage.rms = json.at("rms").get<double>();
  const int64_t count = element_count(stage.shape);
  for (const Json& sample : json.at("samples")) {
    const int64_t index = sample.at(0).get<int64_t>();
    if (index < 0 || index >= count)
      fail(ErrorKind::kFormat, where, ": samples: expected indices below ", count, ", found ", index);
    stage.samples.emplace_back(index, sample.at(1).get<double>());
  }
  if (stage.samples.empty() && count > 0) fail(ErrorKind::kFormat, where, ": samples: expected some, found none");
  return stage;
}

}  // namespace

Fingerprint parse_fingerprint(const std::string& json, const Config& config, const std::string& where) {
  try {
    const Json root = Json::parse(json);
    if (root.at("version") != 1)
      fail(ErrorKind::kFormat, where, ": version: expected 1, found ", root.at("version").dump());
    Fingerprint fingerprint;
    for (const auto& names : {dense_stages(config), per_box_stages(config)})
      for (const std::string& name : names)
        fingerprint[name] = parse_stage(root.at("stages").at(name), concat(where, ": ", name));
    return fingerprint;
  } catch (const Json::exception& error) {
    fail(ErrorKind::kFormat, where, ": expected a fingerprint of version 1, found: ", error.what());
  }
}

}  // namespace sln::importer
