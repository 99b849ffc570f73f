// The JSON files of a run, the depth order, run-length codes and dumps.
#include "apps/results_json.h"

#include <catch2/catch.hpp>
#include <cstring>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "apps/failure.h"
#include "apps/files.h"
#include "apps/rle.h"
#include "apps/safetensors_writer.h"
#include "apps/sampling.h"

namespace {

using namespace sln::apps;
using Catch::Matchers::Contains;
using nlohmann::json;

Scene example_scene() {
  Scene scene;
  scene.file = "sub/a\"b.jpg";
  scene.image_id = 139;
  scene.width = 640;
  scene.height = 480;
  scene.orientation = 6;
  scene.proposals = 5;
  scene.dropped_empty = 1;
  scene.dropped_by_nms = 2;
  SceneObject object;
  object.box[0] = 0.1f;
  object.box[1] = 20.25f;
  object.box[2] = 640.0f;
  object.box[3] = 33.3f;
  object.score = 0.7f;
  object.objectness = 0.8f;
  object.anchor = 12;
  object.amodal_area = 300;
  object.visible_area = 200;
  object.level_counts = {200, 100, 0, 0};
  object.amodal_rle = "01\\^3";
  object.visible_rle = "02";
  object.depth = 1;
  scene.objects = {object, object};
  scene.objects[1].depth = 2;
  scene.pairs = {{0, 1, true, 50, 3, 20}};
  scene.stages = {{"encoder", 1.25, 1000}};
  scene.run_seconds = 2.0000004;
  return scene;
}

ScenePair in_front(int front, int behind) {
  return {front, behind, true, 1, 1, 1};
}

}  // namespace

TEST_CASE("results.json is a COCO results list") {
  const Scene scene = example_scene();
  const std::string written = results_begin() + results_entries(scene, true) + results_entries(Scene(), false) +
                              results_entries(scene, false) + results_end();
  const json list = json::parse(written);
  REQUIRE(list.size() == 4);
  const json& entry = list[1];
  CHECK(entry["image_id"] == 139);
  CHECK(entry["category_id"] == 1);
  CHECK(entry["segmentation"] == json({{"size", {480, 640}}, {"counts", "01\\^3"}}));
  CHECK(entry["visible_segmentation"]["counts"] == "02");
  CHECK(entry["level_counts"] == json({200, 100, 0, 0}));
  CHECK(entry["bbox"].size() == 4);
  // The box stays in the image whoever adds x and w.
  CHECK(entry["bbox"][0].get<double>() + entry["bbox"][2].get<double>() == 640.0);
  CHECK_THAT(written, Contains("\"score\":0.7,"));
  CHECK(json::parse(results_begin() + results_entries(Scene(), true) + results_end()).empty());
}

TEST_CASE("scenes.json says what was found and by what, but not when or where") {
  const ModelSummary model = {"0.1.0", "c0", "50", "seeded:0", 512, 4};
  const Scene scene = example_scene();
  const std::string written =
      scenes_begin(model, RunSettings()) + scenes_entry(scene, true) + scenes_entry(Scene(), false) + scenes_end();
  const json root = json::parse(written);
  CHECK(root["model"]["weights"] == "seeded:0");
  CHECK(root["options"]["mask_nms"] == 0.6);
  CHECK(root["options"]["visible_overlap"] == 1.0);
  CHECK(root["options"]["score_mode"] == "mask");
  REQUIRE(root["images"].size() == 2);
  const json& image = root["images"][0];
  CHECK(image["file"] == "sub/a\"b.jpg");
  CHECK(image["width"] == 640);
  CHECK(image["orientation_applied"] == 6);
  CHECK(image["objects"][1]["id"] == 1);
  CHECK(image["objects"][1]["depth"] == 2);
  CHECK(
      image["pairs"][0] ==
      json({{"front", 0}, {"behind", 1}, {"decided", true}, {"overlap", 50}, {"regions", 3}, {"largest_region", 20}}));
  CHECK(root["images"][1]["objects"].empty());
  CHECK(written.find("seconds") == std::string::npos);
}

TEST_CASE("timings.json holds the times") {
  const Scene scene = example_scene();
  const json root = json::parse(timings_begin({"0.1.0", "", "", "", 64, 4}, {"cpu", "avx2", 2}) +
                                timings_entry(scene, true) + timings_entry(scene, false) + timings_end());
  CHECK(root["threads"] == 2);
  CHECK(root["isa"] == "avx2");
  CHECK(root["images"][1]["run_seconds"] == 2.0);
  CHECK(root["images"][0]["stages"][0] == json({{"name", "encoder"}, {"seconds", 1.25}, {"macs", 1000}}));
}

TEST_CASE("A file name that is not UTF-8 still makes valid JSON") {
  Scene scene = example_scene();
  scene.file = "\xFF\xFE.jpg";
  CHECK_NOTHROW(json::parse(scenes_begin(ModelSummary(), RunSettings()) + scenes_entry(scene, true) + scenes_end()));
}

TEST_CASE("Depth order follows the pairs and otherwise the score") {
  CHECK(depth_order(0, {}).empty());
  CHECK(depth_order(3, {}) == std::vector<int>{1, 2, 3});
  CHECK(depth_order(3, {in_front(2, 0), in_front(0, 1)}) == std::vector<int>{2, 3, 1});
  ScenePair undecided = in_front(1, 0);
  undecided.decided = false;
  CHECK(depth_order(2, {undecided}) == std::vector<int>{1, 2});
}

TEST_CASE("A cycle is broken by score, and only within the cycle") {
  CHECK(depth_order(3, {in_front(0, 1), in_front(1, 2), in_front(2, 0)}) == std::vector<int>{1, 2, 3});
  // Object 0 has the highest score but is behind the cycle of 1, 2 and 3: the cycle is broken at 1.
  CHECK(depth_order(4, {in_front(1, 2), in_front(2, 3), in_front(3, 1), in_front(3, 0)}) ==
        std::vector<int>{4, 1, 2, 3});
  // Two cycles, one in front of the other.
  CHECK(depth_order(4, {in_front(0, 1), in_front(1, 0), in_front(2, 3), in_front(3, 2), in_front(3, 0)}) ==
        std::vector<int>{3, 4, 1, 2});
}

TEST_CASE("Run-length codes decode to hand-computed masks") {
  // 3 x 4 (h x w), ones at rows 1..2 of column 1: runs 4, 2, 6 as characters 48 + n.
  const MaskCrop crop = decode_rle("426", 4, 3);
  CHECK(crop.x == 1);
  CHECK(crop.y == 1);
  CHECK(crop.width == 1);
  CHECK(crop.height == 2);
  CHECK(crop.at(1, 1));
  CHECK(crop.at(1, 2));
  CHECK(!crop.at(1, 0));
  CHECK(!crop.at(2, 1));
  // A run over two columns: rows 2 of column 0 and 0 of column 1.
  const MaskCrop wrapped = decode_rle("228", 4, 3);
  CHECK(wrapped.at(0, 2));
  CHECK(wrapped.at(1, 0));
  CHECK(!wrapped.at(0, 0));
  // The fourth run is stored as the difference to the second: runs 1 2 3 1 5 -> 1 2 3 (1-2) (5-3).
  const MaskCrop two = decode_rle("123O2", 4, 3);
  CHECK(two.at(2, 0));
  CHECK(!two.at(2, 1));
  CHECK(decode_rle("<", 4, 3).width == 0);                               // twelve zeros
  CHECK(decode_rle("0<", 4, 3).pixels == std::vector<uint8_t>(12, 1));   // twelve ones
  CHECK(decode_rle("0P1", 8, 4).pixels == std::vector<uint8_t>(32, 1));  // 32 takes two characters
  CHECK_THROWS_WITH(decode_rle("425", 4, 3), Contains("expected a run-length code of 12 pixels, found one of 11"));
  CHECK_THROWS_AS(decode_rle("4~6", 4, 3), Failure);
  CHECK_THROWS_AS(decode_rle("4b", 4, 3), Failure);
}

TEST_CASE("A dump is a safetensors file with aligned data") {
  const auto path = std::filesystem::temp_directory_path() / "sln-results-json-test.safetensors";
  const std::vector<float> values = {1, 2, 3, 4, 5, 6};
  {
    PendingFile file(path.string());
    write_safetensors(&file, {{"file", "a.jpg"}}, {{"boxes", {0, 4}, nullptr}, {"canvas", {3, 2}, values.data()}});
    file.commit();
  }
  const std::string bytes = read_file(path.string());
  std::filesystem::remove(path);
  size_t length = 0;
  for (size_t i = 8; i-- > 0;) length = length << 8 | static_cast<uint8_t>(bytes[i]);
  CHECK((8 + length) % 64 == 0);
  REQUIRE(bytes.size() == 8 + length + 24);
  const json header = json::parse(bytes.substr(8, length));
  CHECK(header["__metadata__"]["file"] == "a.jpg");
  CHECK(header["boxes"]["shape"] == json({0, 4}));
  CHECK(header["boxes"]["data_offsets"] == json({0, 0}));
  CHECK(header["canvas"] == json({{"dtype", "F32"}, {"shape", {3, 2}}, {"data_offsets", {0, 24}}}));
  CHECK(std::memcmp(bytes.data() + 8 + length, values.data(), 24) == 0);
}

TEST_CASE("Disturbed samples are dropped, quantiles are nearest rank") {
  const auto sample = [](double wall, double wait) {
    Sample s;
    s.wall_seconds = wall;
    s.wait_seconds = wait;
    return s;
  };
  CHECK(core_share(sample(2, 1), 2) == 0.75);
  const std::vector<Sample> samples = {sample(1, 0.5), sample(2, 0.1), sample(3, 0.06), sample(4, 0)};
  bool disturbed = true;
  const std::vector<Sample> kept = undisturbed(samples, 2, 3, &disturbed);
  CHECK(!disturbed);
  REQUIRE(kept.size() == 3);
  CHECK(kept[0].wall_seconds == 4);
  CHECK(kept[2].wall_seconds == 2);
  CHECK(undisturbed(samples, 2, 4, &disturbed).size() == 4);
  CHECK(disturbed);
  CHECK(undisturbed(samples, 2, 9, &disturbed).size() == 4);
  CHECK(undisturbed(samples, 1, 1, &disturbed).size() == 2);
  CHECK(waited_seconds() >= 0);
  CHECK(quantile({5, 1, 4, 2, 3}, 0.9) == 5);
  CHECK(quantile({10, 9, 8, 7, 6, 5, 4, 3, 2, 1}, 0.9) == 9);
  CHECK(median({4, 1, 3, 2}) == 2.5);
  CHECK(peak_resident_bytes() > 1 << 20);
}
