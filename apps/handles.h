// The C API's handles with owners, and its statuses as Failures.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "apps/results_json.h"
#include "engine/sln.h"

namespace sln::apps {

struct Destroy {
  void operator()(sln_model* model) const { sln_model_destroy(model); }
  void operator()(sln_options* options) const { sln_options_destroy(options); }
  void operator()(sln_engine* engine) const { sln_engine_destroy(engine); }
  void operator()(sln_result* result) const { sln_result_destroy(result); }
};
using Model = std::unique_ptr<sln_model, Destroy>;
using Options = std::unique_ptr<sln_options, Destroy>;
using Engine = std::unique_ptr<sln_engine, Destroy>;
using RunResult = std::unique_ptr<sln_result, Destroy>;

// Throws Failure with the library's text on a status other than SLN_OK.
void check(sln_status status);

Model open_model(const std::string& path);
sln_model_info info_of(const sln_model* model);
// A metadata value, "" where absent.
std::string metadata_of(const sln_model* model, const char* key);
ModelSummary summary_of(const sln_model* model);

struct EngineSettings {
  std::string device = "auto";
  int threads = 0;  // 0: the machine's cores
  bool capture = false;
  bool level_masks = false;  // results also hold the masks of every level
  RunSettings run;
};
Engine create_engine(const sln_model* model, const EngineSettings& settings);
sln_engine_info info_of(const sln_engine* engine);
RunResult create_result();
sln_result_info info_of(const sln_result* result);

// The stage tensors of the last run of an engine that captures.
std::vector<sln_tensor_info> captured_tensors(const sln_engine* engine);

// What the engine's last run found and how long its stages took.
// level_masks: the engine has the setting of that name.
Scene scene_of(const sln_engine* engine, const sln_result* result, bool level_masks = false);

}  // namespace sln::apps
