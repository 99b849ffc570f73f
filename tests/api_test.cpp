// The C API as an application sees it.
#include <algorithm>
#include <atomic>
#include <catch2/catch.hpp>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <map>
#include <thread>

#include "engine/sln.h"
#include "tests/naive/decode.h"
#include "tests/support/allocations.h"
#include "tests/support/models.h"

namespace {

using namespace sln::test;

// The device that these tests run on; the library that has it is found by LD_LIBRARY_PATH.
std::string test_device() {
  const char* device = std::getenv("SLN_TEST_DEVICE");
  return device != nullptr ? device : "cpu";
}

// COCO's compressed run lengths as a column-major mask of 0 and 1.
std::vector<uint8_t> mask_of(const char* text, size_t pixels) {
  std::vector<uint8_t> mask;
  uint8_t value = 0;
  for (const uint32_t run : sln::naive::runs_of_text(text)) {
    mask.insert(mask.end(), run, value);
    value ^= 1;
  }
  REQUIRE(mask.size() == pixels);
  return mask;
}

struct Run {
  sln_model* model = nullptr;
  sln_options* options = nullptr;
  sln_engine* engine = nullptr;
  sln_result* result = nullptr;

  explicit Run(int threads = 2, bool capture = false, double score = 0, double nms = 0.6, double overlap = 1,
               uint32_t seed = 11) {
    static std::map<uint32_t, std::string> paths;  // each is written once: models that are open read it
    std::string& path = paths[seed];
    if (path.empty()) path = write_small_model("api_" + std::to_string(seed) + ".safetensors", seed);
    REQUIRE(sln_model_open(path.c_str(), &model) == SLN_OK);
    REQUIRE(sln_options_create(&options) == SLN_OK);
    REQUIRE(sln_options_set_string(options, "device", test_device().c_str()) == SLN_OK);
    REQUIRE(sln_options_set_int(options, "threads", threads) == SLN_OK);
    REQUIRE(sln_options_set_int(options, "capture", capture) == SLN_OK);
    REQUIRE(sln_options_set_float(options, "score_threshold", score) == SLN_OK);
    REQUIRE(sln_options_set_float(options, "mask_nms", nms) == SLN_OK);
    REQUIRE(sln_options_set_float(options, "visible_overlap", overlap) == SLN_OK);
    INFO(sln_last_error());
    REQUIRE(sln_engine_create(model, options, &engine) == SLN_OK);
    REQUIRE(sln_result_create(&result) == SLN_OK);
  }
  ~Run() {
    sln_result_destroy(result);
    sln_engine_destroy(engine);
    sln_options_destroy(options);
    sln_model_destroy(model);
  }
  // Makes the engine anew with one more option.
  void again(const char* option, int64_t value) {
    sln_engine_destroy(engine);
    engine = nullptr;
    REQUIRE(sln_options_set_int(options, option, value) == SLN_OK);
    REQUIRE(sln_engine_create(model, options, &engine) == SLN_OK);
  }
  void image(int width, int height) {
    const std::vector<uint8_t> pixels = test_picture(width, height);
    INFO(sln_last_error());
    REQUIRE(sln_engine_run(engine, pixels.data(), width, height, 3 * width, result) == SLN_OK);
  }
  std::map<std::string, std::vector<float>> tensors() const {
    std::map<std::string, std::vector<float>> all;
    sln_tensor_info info = {};
    info.struct_size = sizeof info;
    for (int32_t i = 0; sln_engine_get_tensor(engine, i, &info) == SLN_OK; ++i) {
      int64_t count = 1;
      for (int32_t d = 0; d < info.rank; ++d) count *= info.dims[d];
      all[info.name] = std::vector<float>(info.data, info.data + count);
    }
    return all;
  }
  sln_result_info info() const {
    sln_result_info all = {};
    all.struct_size = sizeof all;
    REQUIRE(sln_result_get_info(result, &all) == SLN_OK);
    return all;
  }
  // Everything of a result as one text.
  std::string text() const {
    std::string all;
    const auto add = [&](const void* data, size_t bytes) { all.append(static_cast<const char*>(data), bytes); };
    const sln_result_info summary = info();
    add(&summary, sizeof summary);
    for (int32_t i = 0; i < summary.object_count; ++i) {
      sln_object object = {};
      object.struct_size = sizeof object;
      REQUIRE(sln_result_get_object(result, i, &object) == SLN_OK);
      add(&object, sizeof object);
      for (const sln_mask mask : {SLN_MASK_AMODAL, SLN_MASK_VISIBLE, SLN_MASK_HIDDEN}) {
        const char* rle = nullptr;
        REQUIRE(sln_result_get_rle(result, i, mask, &rle) == SLN_OK);
        all += rle;
      }
    }
    for (int32_t i = 0; i < summary.pair_count; ++i) {
      sln_pair pair = {};
      pair.struct_size = sizeof pair;
      REQUIRE(sln_result_get_pair(result, i, &pair) == SLN_OK);
      add(&pair, sizeof pair);
    }
    return all;
  }
};

bool same_bytes(const std::map<std::string, std::vector<float>>& a,
                const std::map<std::string, std::vector<float>>& b) {
  if (a.size() != b.size()) return false;
  for (const auto& [name, values] : a) {
    const auto other = b.find(name);
    if (other == b.end() || other->second.size() != values.size() ||
        std::memcmp(values.data(), other->second.data(), values.size() * 4) != 0) {
      UNSCOPED_INFO("first difference in " << name);
      return false;
    }
  }
  return true;
}

}  // namespace

TEST_CASE("Objects, masks and pairs are consistent with each other") {
  Run run;
  run.image(90, 60);
  const sln_result_info info = run.info();
  CHECK(info.width == 90);
  CHECK(info.height == 60);
  REQUIRE(info.proposals == 12);
  REQUIRE(info.object_count > 1);
  CHECK(info.object_count + info.dropped_empty + info.dropped_by_nms == info.proposals);
  float last = 2;
  int64_t all_hidden = 0;
  for (int32_t i = 0; i < info.object_count; ++i) {
    sln_object object = {};
    object.struct_size = sizeof object;
    REQUIRE(sln_result_get_object(run.result, i, &object) == SLN_OK);
    CHECK(object.score <= last);
    CHECK(object.score <= object.objectness);
    last = object.score;
    CHECK((object.box[0] >= 0 && object.box[1] >= 0 && object.box[2] <= 90 && object.box[3] <= 60));
    std::vector<uint8_t> masks[3];
    int64_t areas[3] = {};
    for (const int kind : {0, 1, 2}) {
      masks[kind].assign(90 * 60, 9);
      REQUIRE(sln_result_get_mask(run.result, i, static_cast<sln_mask>(kind), masks[kind].data(), 90 * 60) == SLN_OK);
      for (const uint8_t value : masks[kind]) areas[kind] += value;
    }
    for (size_t p = 0; p < masks[0].size(); ++p) REQUIRE(masks[0][p] == masks[1][p] + masks[2][p]);
    CHECK(areas[0] == object.amodal_area);
    CHECK(areas[1] == object.visible_area);
    CHECK(object.amodal_area > 0);
    int64_t counts[4] = {};
    REQUIRE(sln_result_get_level_counts(run.result, i, counts, 4) == SLN_OK);
    CHECK(counts[0] == object.visible_area);
    CHECK(counts[0] + counts[1] + counts[2] + counts[3] == object.amodal_area);
    all_hidden += areas[2];
  }
  CHECK(all_hidden > 0);
  REQUIRE(info.pair_count > 0);
}

TEST_CASE("The same bytes for any number of threads, run after run, and in guard mode") {
  Run one(1, true);
  one.image(120, 75);
  const auto tensors = one.tensors();
  const std::string text = one.text();
  REQUIRE(tensors.size() == 12);
  one.image(33, 80);
  CHECK(one.text() != text);
  one.image(120, 75);
  CHECK(one.text() == text);
  CHECK(same_bytes(one.tensors(), tensors));
  for (const int threads : {2, 3}) {
    Run many(threads, true);
    many.image(120, 75);
    CHECK(many.text() == text);
    CHECK(same_bytes(many.tensors(), tensors));
  }
  ::setenv("SLN_ARENA", "guard", 1);
  Run guarded(2, true);
  ::unsetenv("SLN_ARENA");
  guarded.image(120, 75);
  CHECK(guarded.text() == text);
  CHECK(same_bytes(guarded.tensors(), tensors));
}

TEST_CASE("Level masks are there when asked for, and make up the amodal mask") {
  Run plain;
  plain.image(90, 60);
  const char* text = nullptr;
  CHECK(sln_result_get_level_rle(plain.result, 0, 0, &text) == SLN_ERROR_INVALID_ARGUMENT);
  CHECK(std::string(sln_last_error()).find("level_masks") != std::string::npos);
  Run run;
  run.again("level_masks", 1);
  run.image(90, 60);
  CHECK(run.text() == plain.text());
  REQUIRE(sln_result_object_count(run.result) > 1);
  int64_t hidden_levels = 0;
  for (int32_t i = 0; i < sln_result_object_count(run.result); ++i) {
    const char* visible = nullptr;
    REQUIRE(sln_result_get_rle(run.result, i, SLN_MASK_VISIBLE, &visible) == SLN_OK);
    REQUIRE(sln_result_get_level_rle(run.result, i, 0, &text) == SLN_OK);
    CHECK(std::string(text) == visible);
    int64_t counts[4] = {};
    REQUIRE(sln_result_get_level_counts(run.result, i, counts, 4) == SLN_OK);
    std::vector<int> levels(90 * 60, -1);
    for (int32_t level = 0; level < 4; ++level) {
      REQUIRE(sln_result_get_level_rle(run.result, i, level, &text) == SLN_OK);
      const std::vector<uint8_t> mask = mask_of(text, 90 * 60);
      CHECK(std::count(mask.begin(), mask.end(), 1) == counts[level]);
      for (size_t p = 0; p < mask.size(); ++p) {
        if (mask[p] == 0) continue;
        REQUIRE(levels[p] == -1);  // a pixel has one level
        levels[p] = level;
      }
    }
    REQUIRE(sln_result_get_rle(run.result, i, SLN_MASK_AMODAL, &text) == SLN_OK);
    const std::vector<uint8_t> amodal = mask_of(text, 90 * 60);
    for (size_t p = 0; p < levels.size(); ++p) REQUIRE((levels[p] >= 0) == (amodal[p] == 1));
    hidden_levels += counts[1] + counts[2] + counts[3];
  }
  CHECK(hidden_levels > 0);
  CHECK(sln_result_get_level_rle(run.result, 0, 4, &text) == SLN_ERROR_INVALID_ARGUMENT);
  CHECK(sln_result_get_level_rle(run.result, 0, -1, &text) == SLN_ERROR_INVALID_ARGUMENT);
  CHECK(sln_result_get_level_rle(run.result, 0, 0, nullptr) == SLN_ERROR_INVALID_ARGUMENT);
  CHECK(sln_options_set_int(run.options, "level_masks", 2) == SLN_ERROR_INVALID_ARGUMENT);
  CHECK(sln_options_set_int(run.options, "refine", -1) == SLN_ERROR_INVALID_ARGUMENT);
}

TEST_CASE("Without the refinement the planes are those of the instance layers") {
  Run refined(2, true);
  refined.image(90, 60);
  Run run(2, true);
  run.again("refine", 0);
  run.image(90, 60);
  const auto tensors = run.tensors(), others = refined.tensors();
  CHECK(tensors.at("instance_layers") == others.at("instance_layers"));
  CHECK(tensors.at("layers") == tensors.at("instance_layers"));
  CHECK(tensors.at("layers") != others.at("layers"));
  CHECK(tensors.at("level") != others.at("level"));
  sln_stage_info stage = {};
  stage.struct_size = sizeof stage;
  REQUIRE(sln_engine_get_stage(run.engine, 7, &stage) == SLN_OK);
  CHECK(std::string(stage.name) == "refine");
  CHECK(stage.macs == 0);
}

TEST_CASE("The captured stage tensors have the documented shapes and ranges") {
  Run run(2, true);
  run.image(100, 100);
  auto tensors = run.tensors();
  CHECK(tensors.at("canvas").size() == 3 * 64 * 64);
  CHECK(tensors.at("features").size() == 24 * 16 * 16);
  CHECK(tensors.at("rpn_objectness").size() == 9 * 4 * 4);
  CHECK(tensors.at("rpn_deltas").size() == 36 * 4 * 4);
  CHECK(tensors.at("boxes").size() == 12 * 4);
  CHECK(tensors.at("layers").size() == 12 * 5 * 14 * 14);
  for (const auto& [name, values] : tensors)
    for (const float value : values) REQUIRE(std::isfinite(value));
  const std::vector<float>& global = tensors.at("global_layers");
  for (size_t i = 0; i < 256; ++i) {
    float sum = 0;
    for (size_t k = 0; k < 5; ++k) sum += global[k * 256 + i];
    REQUIRE(sum == Approx(1).margin(1e-5));
  }
  for (const float level : tensors.at("level")) REQUIRE((level == 0 || level == 1 || level == 2 || level == 3));
  for (const float c : tensors.at("confidence")) REQUIRE((c >= 0 && c <= 1 - 1 / 1024.0));
}

TEST_CASE("A score threshold of 1 leaves no proposal, and that is a result") {
  Run run(2, true, 1.0);
  run.image(64, 64);
  const sln_result_info info = run.info();
  CHECK(info.proposals == 0);
  CHECK(info.object_count == 0);
  CHECK(run.tensors().at("layers").empty());
}

TEST_CASE("A threshold leaves exactly the proposals that reach it, with the same values") {
  Run all(2, true, 0.0);
  all.image(80, 64);
  const auto everything = all.tensors();
  const std::vector<float>& scores = everything.at("scores");
  const float threshold = scores[5];
  Run some(2, true, static_cast<double>(threshold));
  some.image(80, 64);
  const auto few = some.tensors();
  size_t expected = 0;
  while (expected < scores.size() && scores[expected] >= threshold) ++expected;
  REQUIRE(few.at("scores").size() == expected);
  REQUIRE(expected < scores.size());
  for (const char* name : {"boxes", "layers", "confidence"}) {
    const std::vector<float>& part = few.at(name);
    CHECK(std::memcmp(part.data(), everything.at(name).data(), part.size() * 4) == 0);
  }
}

TEST_CASE("Objects that others show are dropped and counted") {
  Run all(2, false, 0, 1, 1, 5), fewer(2, false, 0, 1, 0.3, 5);
  all.image(90, 60);
  fewer.image(90, 60);
  CHECK(all.info().dropped_by_nms == 0);
  CHECK(fewer.info().dropped_by_nms > 0);
  CHECK(fewer.info().object_count + fewer.info().dropped_by_nms == all.info().object_count);
}

TEST_CASE("Images of every shape") {
  Run run;
  for (const auto& [w, h] :
       {std::pair(1, 1), std::pair(1, 300), std::pair(30, 2000), std::pair(65, 63), std::pair(2000, 3)}) {
    INFO(w << " x " << h);
    run.image(w, h);
    CHECK(run.info().width == w);
    CHECK(run.info().height == h);
  }
}

TEST_CASE("A second run on the same image allocates nothing") {
  Run run(2, false, 0, 0.6, 0.7);
  const std::vector<uint8_t> pixels = test_picture(96, 72);
  REQUIRE(sln_engine_run(run.engine, pixels.data(), 96, 72, 3 * 96, run.result) == SLN_OK);
  REQUIRE(sln_engine_run(run.engine, pixels.data(), 96, 72, 3 * 96, run.result) == SLN_OK);
  const int64_t before = allocation_count();
  REQUIRE(sln_engine_run(run.engine, pixels.data(), 96, 72, 3 * 96, run.result) == SLN_OK);
  if (test_device() == "cpu") CHECK(allocation_count() - before == 0);  // the emulator makes an object of each launch
}

TEST_CASE("run_canvas equals run on the canvas that run made") {
  Run run(2, true);
  run.image(64, 64);
  const auto tensors = run.tensors();
  const std::string text = run.text();
  REQUIRE(sln_engine_run_canvas(run.engine, tensors.at("canvas").data(), run.result) == SLN_OK);
  CHECK(run.text() == text);
  CHECK(same_bytes(run.tensors(), tensors));
}

TEST_CASE("Submit and collect give what run gives, and refuse what does not fit") {
  Run run(2, true);
  run.image(90, 60);
  const std::string expected = run.text();
  const auto tensors = run.tensors();
  run.image(40, 40);
  sln_engine_info info = {};
  info.struct_size = sizeof info;
  REQUIRE(sln_engine_get_info(run.engine, &info) == SLN_OK);
  CHECK(info.flights == 1);

  CHECK(sln_engine_collect(run.engine, run.result) == SLN_ERROR_INVALID_ARGUMENT);
  CHECK(std::string(sln_last_error()).find("expected one to collect, found none") != std::string::npos);
  CHECK(sln_result_object_count(run.result) == 0);
  std::vector<uint8_t> pixels = test_picture(90, 60);
  REQUIRE(sln_engine_submit(run.engine, pixels.data(), 90, 60, 270) == SLN_OK);
  CHECK(run.tensors() != tensors);  // of the image last collected
  CHECK(sln_engine_submit(run.engine, pixels.data(), 90, 60, 270) == SLN_ERROR_INVALID_ARGUMENT);
  CHECK(std::string(sln_last_error()).find("collect one first") != std::string::npos);
  CHECK(sln_engine_run(run.engine, pixels.data(), 90, 60, 270, run.result) == SLN_ERROR_INVALID_ARGUMENT);
  std::fill(pixels.begin(), pixels.end(), uint8_t{3});
  REQUIRE(sln_engine_collect(run.engine, run.result) == SLN_OK);
  CHECK(run.text() == expected);
  CHECK(same_bytes(run.tensors(), tensors));

  CHECK(sln_engine_submit(nullptr, pixels.data(), 90, 60, 270) == SLN_ERROR_INVALID_ARGUMENT);
  CHECK(sln_engine_submit(run.engine, nullptr, 90, 60, 270) == SLN_ERROR_INVALID_ARGUMENT);
  CHECK(sln_engine_submit(run.engine, pixels.data(), 90, 60, 269) == SLN_ERROR_INVALID_ARGUMENT);
  CHECK(sln_engine_submit(run.engine, pixels.data(), 0, 60, 270) == SLN_ERROR_INVALID_ARGUMENT);
  CHECK(sln_engine_collect(run.engine, nullptr) == SLN_ERROR_INVALID_ARGUMENT);
  CHECK(sln_engine_collect(nullptr, run.result) == SLN_ERROR_INVALID_ARGUMENT);
}

TEST_CASE("An engine works on with weights that another one packed, when that one and the model are gone") {
  Run run;
  run.image(90, 60);
  const std::string expected = run.text();
  sln_engine* other = nullptr;
  REQUIRE(sln_engine_create(run.model, run.options, &other) == SLN_OK);
  sln_engine_destroy(run.engine);
  sln_model_destroy(run.model);
  run.model = nullptr;
  run.engine = other;
  run.image(90, 60);
  CHECK(run.text() == expected);
}

TEST_CASE("A library without CUDA says so, one with it gives the CPU's bytes") {
  Run run;
  if (test_device() == "cuda") {
    run.image(90, 60);
    Run cpu;
    sln_engine_destroy(cpu.engine);
    REQUIRE(sln_options_set_string(cpu.options, "device", "cpu") == SLN_OK);
    REQUIRE(sln_engine_create(cpu.model, cpu.options, &cpu.engine) == SLN_OK);
    cpu.image(90, 60);
    CHECK(cpu.text() == run.text());
    return;
  }
  REQUIRE(sln_options_set_string(run.options, "device", "cuda") == SLN_OK);
  sln_engine* engine = nullptr;
  CHECK(sln_engine_create(run.model, run.options, &engine) == SLN_ERROR_UNSUPPORTED);
  CHECK(engine == nullptr);
  CHECK(std::string(sln_last_error()) == "device cuda: expected a library built with CUDA, found one without");
}

TEST_CASE("A network beyond a device's limits makes no engine there, and one on the CPU") {
  std::string config = sln::test::small_config_json();
  const std::string rois = "\"max_rois\":12,";
  REQUIRE(config.find(rois) != std::string::npos);
  config.replace(config.find(rois), rois.size(), "\"max_rois\":1025,");
  const std::string path = sln::test::write_model("many_rois.safetensors", 3, config);
  sln_model* model = nullptr;
  REQUIRE(sln_model_open(path.c_str(), &model) == SLN_OK);
  for (const std::string device : {"cpu", "cuda"}) {
    if (device == "cuda" && test_device() != "cuda") continue;
    sln_options* options = nullptr;
    REQUIRE(sln_options_create(&options) == SLN_OK);
    REQUIRE(sln_options_set_string(options, "device", device.c_str()) == SLN_OK);
    sln_engine* engine = nullptr;
    const sln_status status = sln_engine_create(model, options, &engine);
    CHECK(status == (device == "cpu" ? SLN_OK : SLN_ERROR_UNSUPPORTED));
    CHECK((engine != nullptr) == (device == "cpu"));
    if (device == "cuda")
      CHECK(std::string(sln_last_error()) ==
            "device cuda: proposals: max_rois: expected 1..1024, found 1025: the device cpu has no such limit");
    sln_engine_destroy(engine);
    sln_options_destroy(options);
  }
  sln_model_destroy(model);
}

TEST_CASE("Introspection") {
  Run run;
  sln_model_info model = {};
  model.struct_size = sizeof model;
  REQUIRE(sln_model_get_info(run.model, &model) == SLN_OK);
  CHECK(model.side == 64);
  int64_t parameters = 0;
  sln_layer_info layer = {};
  layer.struct_size = sizeof layer;
  for (int32_t i = 0; i < model.layer_count; ++i) {
    REQUIRE(sln_model_get_layer(run.model, i, &layer) == SLN_OK);
    parameters += layer.parameters;
  }
  CHECK(parameters == model.parameters);
  CHECK(sln_model_get_layer(run.model, model.layer_count, &layer) == SLN_ERROR_INVALID_ARGUMENT);
  CHECK(std::string(sln_model_metadata(run.model, "weights")) == "seeded:1");
  CHECK(sln_model_metadata(run.model, "no such key") == nullptr);
  run.image(64, 64);
  int64_t macs = 0;
  for (int32_t i = 0; i < 9; ++i) {
    sln_stage_info stage = {};
    stage.struct_size = sizeof stage;
    REQUIRE(sln_engine_get_stage(run.engine, i, &stage) == SLN_OK);
    CHECK(stage.seconds >= 0);
    macs += stage.macs;
  }
  CHECK(macs == model.macs);
  sln_engine_info engine = {};
  engine.struct_size = sizeof engine;
  REQUIRE(sln_engine_get_info(run.engine, &engine) == SLN_OK);
  CHECK(engine.threads == 2);
  CHECK(engine.arena_bytes > 0);
  CHECK(engine.weight_bytes >= 4 * parameters);
  double peak = 0;
  if (test_device() == "cuda") {
    CHECK(sln_engine_measure_peak(run.engine, &peak) == SLN_ERROR_UNSUPPORTED);
    return;
  }
  REQUIRE(sln_engine_measure_peak(run.engine, &peak) == SLN_OK);
  CHECK(peak > 1e8);
}

TEST_CASE("Mistakes are answered with a status and a text") {
  Run run;
  const std::vector<uint8_t> pixels = test_picture(8, 8);
  sln_model* model = nullptr;
  CHECK(sln_model_open(nullptr, &model) == SLN_ERROR_INVALID_ARGUMENT);
  CHECK(std::string(sln_last_error()).find("path is NULL") != std::string::npos);
  CHECK(sln_model_open("/no/such/file", &model) == SLN_ERROR_IO);
  CHECK(model == nullptr);
  CHECK(sln_engine_run(run.engine, nullptr, 8, 8, 24, run.result) == SLN_ERROR_INVALID_ARGUMENT);
  CHECK(sln_engine_run(run.engine, pixels.data(), 0, 8, 24, run.result) == SLN_ERROR_INVALID_ARGUMENT);
  CHECK(sln_engine_run(run.engine, pixels.data(), 8, 70000, 24, run.result) == SLN_ERROR_INVALID_ARGUMENT);
  CHECK(sln_engine_run(run.engine, pixels.data(), 8, 8, 23, run.result) == SLN_ERROR_INVALID_ARGUMENT);
  CHECK(std::string(sln_last_error()).find("row_bytes: expected at least 24, found 23") != std::string::npos);
  CHECK(sln_result_object_count(run.result) == 0);
  CHECK(sln_result_object_count(nullptr) == 0);
  CHECK(sln_options_set_int(run.options, "threads", 0) == SLN_ERROR_INVALID_ARGUMENT);
  CHECK(sln_options_set_int(run.options, "no such", 0) == SLN_ERROR_INVALID_ARGUMENT);
  CHECK(sln_options_set_float(run.options, "mask_nms", std::nan("")) == SLN_ERROR_INVALID_ARGUMENT);
  CHECK(sln_options_set_float(run.options, "score_threshold", 1.5) == SLN_ERROR_INVALID_ARGUMENT);
  for (const double wrong : {-0.1, 1.5, std::nan("")}) {
    CHECK(sln_options_set_float(run.options, "visible_overlap", wrong) == SLN_ERROR_INVALID_ARGUMENT);
  }
  CHECK(sln_options_set_string(run.options, "device", "tpu") == SLN_ERROR_INVALID_ARGUMENT);
  CHECK(sln_options_set_string(run.options, "score_mode", "objectness") == SLN_OK);
  sln_object object = {};
  CHECK(sln_result_get_object(run.result, 0, &object) == SLN_ERROR_INVALID_ARGUMENT);
  run.image(20, 20);
  object.struct_size = 0;
  CHECK(sln_result_get_object(run.result, 0, &object) == SLN_ERROR_INVALID_ARGUMENT);
  uint8_t small[4];
  CHECK(sln_result_get_mask(run.result, 0, SLN_MASK_AMODAL, small, sizeof small) == SLN_ERROR_INVALID_ARGUMENT);
  sln_model_destroy(nullptr);
  sln_options_destroy(nullptr);
  sln_engine_destroy(nullptr);
  sln_result_destroy(nullptr);
}

TEST_CASE("A model file that was changed since it was opened makes no engine") {
  const std::string path = write_small_model("api_changed.safetensors", 12);
  sln_model* model = nullptr;
  REQUIRE(sln_model_open(path.c_str(), &model) == SLN_OK);
  write_file(path, read_file(write_small_model("api_other.safetensors", 13)));
  sln_engine* engine = nullptr;
  CHECK(sln_engine_create(model, nullptr, &engine) == SLN_ERROR_FORMAT);
  CHECK(engine == nullptr);
  const std::string error = sln_last_error();
  INFO(error);
  CHECK(error.find(path + ": tensor ") == 0);
  CHECK(error.find("the file was changed since it was opened") != std::string::npos);
  sln_model_destroy(model);
}

TEST_CASE("An error text belongs to its thread, and two engines work side by side") {
  sln_model* model = nullptr;
  CHECK(sln_model_open("/no/such/file", &model) == SLN_ERROR_IO);
  const std::string here = sln_last_error();
  std::string there = "unset";
  std::thread([&] { there = sln_last_error(); }).join();
  CHECK(there.empty());
  CHECK(std::string(sln_last_error()) == here);
  Run a, b;
  a.image(50, 40);
  const std::string expected = a.text();
  const std::vector<uint8_t> pixels = test_picture(50, 40);
  std::atomic<int> failures{0};
  const auto work = [&](const Run& run) {
    for (int i = 0; i < 3; ++i)
      failures += sln_engine_run(run.engine, pixels.data(), 50, 40, 150, run.result) != SLN_OK;
  };
  std::thread other([&] { work(b); });
  work(a);
  other.join();
  CHECK(failures == 0);
  CHECK(a.text() == expected);
  CHECK(b.text() == expected);
}
