#include "apps/handles.h"

#include "apps/failure.h"

namespace sln::apps {
namespace {

SceneObject object_of(const sln_result* result, int index, int levels, bool level_masks) {
  sln_object raw = {};
  raw.struct_size = sizeof raw;
  check(sln_result_get_object(result, index, &raw));
  SceneObject object;
  for (int i = 0; i < 4; ++i) object.box[i] = raw.box[i];
  object.score = raw.score;
  object.objectness = raw.objectness;
  object.mean_confidence = raw.mean_confidence;
  object.anchor = raw.anchor;
  object.amodal_area = raw.amodal_area;
  object.visible_area = raw.visible_area;
  object.level_counts.resize(static_cast<size_t>(levels));
  check(sln_result_get_level_counts(result, index, object.level_counts.data(), levels));
  const char* code = nullptr;
  check(sln_result_get_rle(result, index, SLN_MASK_AMODAL, &code));
  object.amodal_rle = code;
  check(sln_result_get_rle(result, index, SLN_MASK_VISIBLE, &code));
  object.visible_rle = code;
  for (int level = 0; level_masks && level < levels; ++level) {
    check(sln_result_get_level_rle(result, index, level, &code));
    object.level_rles.emplace_back(code);
  }
  return object;
}

ScenePair pair_of(const sln_result* result, int index) {
  sln_pair raw = {};
  raw.struct_size = sizeof raw;
  check(sln_result_get_pair(result, index, &raw));
  ScenePair pair;
  pair.front = raw.order < 0 ? raw.b : raw.a;
  pair.behind = raw.order < 0 ? raw.a : raw.b;
  pair.decided = raw.order != 0;
  pair.overlap = raw.overlap;
  pair.regions = raw.regions;
  pair.largest_region = raw.largest_region;
  return pair;
}

}  // namespace

void check(sln_status status) {
  if (status != SLN_OK) throw Failure(sln_last_error());
}

Model open_model(const std::string& path) {
  sln_model* model = nullptr;
  check(sln_model_open(path.c_str(), &model));
  return Model(model);
}

sln_model_info info_of(const sln_model* model) {
  sln_model_info info = {};
  info.struct_size = sizeof info;
  check(sln_model_get_info(model, &info));
  return info;
}

std::string metadata_of(const sln_model* model, const char* key) {
  const char* value = sln_model_metadata(model, key);
  return value == nullptr ? "" : value;
}

ModelSummary summary_of(const sln_model* model) {
  const sln_model_info info = info_of(model);
  ModelSummary summary;
  summary.version = sln_version();
  summary.config_sha256 = metadata_of(model, "config_sha256");
  summary.source_sha256 = metadata_of(model, "source_sha256");
  summary.weights = metadata_of(model, "weights");
  summary.side = info.side;
  summary.levels = info.levels;
  return summary;
}

Engine create_engine(const sln_model* model, const EngineSettings& settings) {
  sln_options* raw_options = nullptr;
  check(sln_options_create(&raw_options));
  const Options options(raw_options);
  if (settings.threads > 0) check(sln_options_set_int(raw_options, "threads", settings.threads));
  check(sln_options_set_int(raw_options, "capture", settings.capture ? 1 : 0));
  check(sln_options_set_int(raw_options, "level_masks", settings.level_masks ? 1 : 0));
  check(sln_options_set_int(raw_options, "refine", settings.run.refine ? 1 : 0));
  check(sln_options_set_float(raw_options, "score_threshold", settings.run.score_threshold));
  check(sln_options_set_float(raw_options, "mask_nms", settings.run.mask_nms));
  check(sln_options_set_float(raw_options, "visible_overlap", settings.run.visible_overlap));
  check(sln_options_set_float(raw_options, "mask_threshold", settings.run.mask_threshold));
  check(sln_options_set_string(raw_options, "device", settings.device.c_str()));
  check(sln_options_set_string(raw_options, "score_mode", settings.run.score_mode.c_str()));
  sln_engine* engine = nullptr;
  check(sln_engine_create(model, raw_options, &engine));
  return Engine(engine);
}

sln_engine_info info_of(const sln_engine* engine) {
  sln_engine_info info = {};
  info.struct_size = sizeof info;
  check(sln_engine_get_info(engine, &info));
  return info;
}

RunResult create_result() {
  sln_result* result = nullptr;
  check(sln_result_create(&result));
  return RunResult(result);
}

sln_result_info info_of(const sln_result* result) {
  sln_result_info info = {};
  info.struct_size = sizeof info;
  check(sln_result_get_info(result, &info));
  return info;
}

std::vector<sln_tensor_info> captured_tensors(const sln_engine* engine) {
  std::vector<sln_tensor_info> tensors;
  for (int i = 0;; ++i) {
    sln_tensor_info info = {};
    info.struct_size = sizeof info;
    if (sln_engine_get_tensor(engine, i, &info) != SLN_OK) return tensors;  // beyond the last
    tensors.push_back(info);
  }
}

Scene scene_of(const sln_engine* engine, const sln_result* result, bool level_masks) {
  const sln_result_info info = info_of(result);
  Scene scene;
  scene.width = info.width;
  scene.height = info.height;
  scene.proposals = info.proposals;
  scene.dropped_empty = info.dropped_empty;
  scene.dropped_by_nms = info.dropped_by_nms;
  for (int i = 0; i < info.object_count; ++i) {
    scene.objects.push_back(object_of(result, i, info.levels, level_masks));
  }
  for (int i = 0; i < info.pair_count; ++i) scene.pairs.push_back(pair_of(result, i));
  const std::vector<int> depth = depth_order(info.object_count, scene.pairs);
  for (size_t i = 0; i < depth.size(); ++i) scene.objects[i].depth = depth[i];
  for (int i = 0; i < info_of(engine).stage_count; ++i) {
    sln_stage_info stage = {};
    stage.struct_size = sizeof stage;
    check(sln_engine_get_stage(engine, i, &stage));
    scene.stages.push_back({stage.name, stage.seconds, stage.macs});
  }
  return scene;
}

}  // namespace sln::apps
