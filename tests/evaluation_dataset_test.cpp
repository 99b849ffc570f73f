// Annotations and results: what they may be, and one clear error for everything else.
#include "evaluation/dataset.h"

#include <catch2/catch.hpp>
#include <functional>
#include <nlohmann/json.hpp>

#include "engine/error.h"
#include "evaluation/results.h"

namespace {

using namespace sln::evaluation;
using nlohmann::json;

json box(int x0, int y0, int x1, int y1) {
  return {x0, y0, x1, y0, x1, y1, x0, y1};
}

// Two boxes that overlap by 2 x 4 pixels on an image of 10 x 8.
json example() {
  return json::parse(R"({"images": [{"id": 7, "width": 10, "height": 8, "file_name": "7.jpg"}],
    "annotations": [{"id": 1, "image_id": 7, "author": "a", "depth_constraint": "", "regions": [
      {"segmentation": [0,0,4,0,4,4,0,4], "isStuff": 0, "order": 3},
      {"segmentation": [2,0,8,0,8,4,2,4], "isStuff": 1, "order": 1}]}]})");
}

json& regions(json& root) {
  return root["annotations"][0]["regions"];
}

Dataset dataset_of(const json& root, const std::string& author = "") {
  return parse_dataset(root.dump(), "a.json", author);
}

// The text of the error, which has to name the file, what was expected and what was found.
template <typename Function>
std::string error_of(const Function& function) {
  try {
    function();
  } catch (const sln::Error& error) {
    const std::string text = error.what();
    INFO(text);
    CHECK((text.rfind("a.json: ", 0) == 0 || text.rfind("r.json: ", 0) == 0));
    CHECK(text.find("expected") != std::string::npos);
    CHECK(text.find("found") != std::string::npos);
    CHECK(text.find('\n') == std::string::npos);
    return text;
  }
  FAIL("expected an error, found none");
  return "";
}

void check_refused(const std::function<void(json&)>& change, const std::string& words) {
  json root = example();
  change(root);
  const std::string text = error_of([&] { dataset_of(root); });
  INFO(text << "   must hold   " << words);
  CHECK(text.find(words) != std::string::npos);
}

json result(int64_t image) {
  return {{"image_id", image}, {"score", 0.5}, {"segmentation", box(0, 0, 4, 4)}};
}

void check_result_refused(const std::function<void(json&)>& change, const std::string& words) {
  const Dataset dataset = dataset_of(example());
  json entries = json::array({result(7), result(7)});
  change(entries);
  const std::string text = error_of([&] {
    const Results results = parse_results(entries.dump(), "r.json", dataset);
    decode_detections(results, dataset, 0, 100);
  });
  INFO(text << "   must hold   " << words);
  CHECK(text.find(words) != std::string::npos);
}

}  // namespace

TEST_CASE("hidden parts and rates follow from the order where they are not annotated") {
  const Dataset dataset = dataset_of(example());
  REQUIRE(dataset.images.size() == 1);
  const AnnotatedImage& image = dataset.images[0];
  REQUIRE(image.pairs.size() == 1);
  CHECK((image.pairs[0].front == 1 && image.pairs[0].behind == 0 && image.pairs[0].overlap == 8));
  CHECK(image.regions[0].hidden.area == 8);
  CHECK(image.regions[0].visible.area == 8);
  CHECK(image.regions[0].occlude_rate == 0.5);
  CHECK(image.regions[1].hidden.area == 0);
  CHECK(image.regions[1].is_stuff);
}

TEST_CASE("a depth constraint stands above the order, an annotated rate above the masks") {
  json root = example();
  root["annotations"][0]["depth_constraint"] = "1-2";
  regions(root)[0]["occlude_rate"] = 0;
  const AnnotatedImage image = dataset_of(root).images[0];
  REQUIRE(image.pairs.size() == 1);
  CHECK((image.pairs[0].front == 0 && image.pairs[0].behind == 1));
  CHECK(image.regions[0].hidden.area == 0);
  CHECK(image.regions[1].hidden.area == 8);
  CHECK(image.regions[1].occlude_rate == Approx(8 / 24.0));
}

TEST_CASE("either part of a region gives the other") {
  json root = example();
  regions(root)[0]["visible_mask"] = box(0, 0, 3, 4);
  regions(root)[1]["invisible_mask"] = box(2, 0, 4, 4);
  const AnnotatedImage image = dataset_of(root).images[0];
  CHECK(image.regions[0].hidden.area == 4);
  CHECK(image.regions[1].visible.area == 16);
}

TEST_CASE("COCO's schema: an annotation is a region, and every image counts") {
  json root = example();
  const json all = regions(root);
  root["images"].push_back({{"id", 3}, {"width", 5}, {"height", 5}});
  root["annotations"] = json::array();
  for (const json& region : all) {
    root["annotations"].push_back(region);
    root["annotations"].back()["image_id"] = 7;
  }
  root["annotations"][1]["iscrowd"] = 1;
  const Dataset dataset = dataset_of(root);
  REQUIRE(dataset.images.size() == 2);
  CHECK((dataset.images[0].id == 3 && dataset.images[0].regions.empty()));
  CHECK((dataset.images[1].regions.size() == 2 && dataset.images[1].regions[1].crowd));
}

TEST_CASE("an author's annotations, and results on other images") {
  json root = example();
  root["images"].push_back({{"id", 3}, {"width", 5}, {"height", 5}});
  json other = root["annotations"][0];
  other["image_id"] = 3;
  other["author"] = "b";
  root["annotations"].push_back(other);
  CHECK(dataset_of(root).images.size() == 2);
  const Dataset dataset = dataset_of(root, "b");
  REQUIRE(dataset.images.size() == 1);
  CHECK(dataset.images[0].id == 3);
  const Results results = parse_results(json::array({result(7), result(3)}).dump(), "r.json", dataset);
  CHECK((results.detections == 1 && results.left_out == 1));
  CHECK(error_of([&] { dataset_of(root, "c"); }).find("author \"c\", found only those of \"a\", \"b\"") !=
        std::string::npos);
  other["image_id"] = 7;
  root["annotations"].push_back(other);
  CHECK(error_of([&] { dataset_of(root); }).find("a second one of image 7") != std::string::npos);
  CHECK(dataset_of(root, "a").images.size() == 1);
}

TEST_CASE("annotations that are none are refused") {
  CHECK(error_of([] { parse_dataset("", "a.json", ""); }).find("expected JSON") != std::string::npos);
  CHECK(error_of([] { parse_dataset("{\"images\": NaN}", "a.json", ""); }).find("expected JSON") != std::string::npos);
  error_of([] { parse_dataset("[]", "a.json", ""); });
  error_of([] { parse_dataset("7", "a.json", ""); });
  const std::string deep = std::string(100000, '[') + std::string(100000, ']');
  error_of([&] { parse_dataset(deep, "a.json", ""); });
  error_of([&] { parse_results("[{\"image_id\": " + deep + "}]", "r.json", dataset_of(example())); });
  check_refused([](json& root) { root.erase("images"); }, "\"images\"");
  check_refused([](json& root) { root["images"] = 3; }, "images: expected a list");
  check_refused([](json& root) { root["images"][0]["width"] = 0; }, "images[0].width: expected a whole number");
  check_refused([](json& root) { root["images"][0]["id"] = "7"; }, "images[0].id");
  check_refused([](json& root) { root["images"].push_back(root["images"][0]); }, "found 7 twice");
  check_refused([](json& root) { root["images"][0]["width"] = root["images"][0]["height"] = 65535; }, "pixels");
  check_refused([](json& root) { root.erase("annotations"); }, "\"annotations\"");
  check_refused([](json& root) { root["annotations"] = root["images"] = json::array(); }, "found none");
  check_refused([](json& root) { root["annotations"][0] = 1; }, "annotations[0]: expected an object");
  check_refused([](json& root) { root["annotations"][0]["image_id"] = 8; }, "found 8");
  // Read as a signed number it would be -1.
  check_refused([](json& root) { root["images"][0]["id"] = 18446744073709551615u; }, "found 18446744073709551615");
  check_refused([](json& root) { root["annotations"][0]["depth_constraint"] = 4; }, "expected text");
  check_refused([](json& root) { regions(root) = 4; }, "regions: expected a list");
}

TEST_CASE("regions that are none are refused") {
  const std::string where = "annotations[0].regions[1]";
  check_refused([](json& root) { regions(root)[1].erase("segmentation"); }, where + ": expected \"segmentation\"");
  check_refused([](json& root) { regions(root)[1]["segmentation"] = {1, 2}; }, where + ".segmentation");
  check_refused(
      [](json& root) {
        regions(root)[1]["segmentation"] = {{"size", {10, 8}}, {"counts", "`2"}};
      },
      "segmentation.size: expected [8, 10] (height and width of the image), found [10,8]");
  check_refused(
      [](json& root) {
        regions(root)[1]["visible_mask"] = {{"size", {8, 10}}, {"counts", "55"}};
      },
      where + ".visible_mask.counts");
  check_refused([](json& root) { regions(root)[1]["occlude_rate"] = 1.5; }, where + ".occlude_rate");
  check_refused([](json& root) { regions(root)[1]["isStuff"] = 2; }, where + ".isStuff");
  check_refused([](json& root) { regions(root)[1]["order"] = "front"; }, where + ".order");
  for (const char* bad : {"1", "1-", "1-2,", "1-3", "0-1", "2-2", "1-2,2-1", "a-b", "1-2;2-1", "1:2", "-1-2", "1-2 "}) {
    INFO(bad);
    check_refused([&](json& root) { root["annotations"][0]["depth_constraint"] = bad; }, "depth_constraint");
  }
}

TEST_CASE("results are sorted by score, equal ones as they stand in the file") {
  const Dataset dataset = dataset_of(example());
  json entries = json::array();
  for (const double score : {0.5, -1.0, 0.75, 0.5}) {
    entries.push_back(result(7));
    entries.back()["score"] = score;
  }
  const Results results = parse_results(entries.dump(), "r.json", dataset);
  std::vector<size_t> order;
  for (const RawDetection& raw : results.images[0]) order.push_back(raw.entry);
  CHECK(order == std::vector<size_t>{2, 0, 3, 1});
  CHECK((!results.levels && !results.visible));
  CHECK(decode_detections(results, dataset, 0, 3).size() == 3);
}

TEST_CASE("level masks make up the amodal mask, and their first one is what is visible") {
  const Dataset dataset = dataset_of(example());
  json entry = result(7);
  entry["level_segmentations"] = {box(0, 0, 4, 3), box(0, 3, 4, 4)};
  const Results results = parse_results(json::array({entry}).dump(), "r.json", dataset);
  CHECK((results.levels && results.visible));
  const Detection detection = decode_detections(results, dataset, 0, 100).at(0);
  CHECK((detection.visible.area == 12 && detection.hidden.area == 4 && detection.levels.size() == 2));
}

TEST_CASE("results that are none are refused") {
  const Dataset dataset = dataset_of(example());
  for (const char* bad : {"", "{", "[1", "{\"annotations\": []}", "3", "null", "[[]]", "[3]", "[{}]", "[{},]",
                          "[{\"image_id\": 7, \"score\": NaN}]", "[{\"image_id\": 7, \"score\": 1e999}]"}) {
    INFO(bad);
    error_of([&] { parse_results(bad, "r.json", dataset); });
  }
  check_result_refused([](json& r) { r[1]["image_id"] = 18446744073709551615u; }, "entry 1.image_id: expected");
  check_result_refused([](json& r) { r[1]["image_id"] = 8; }, "entry 1.image_id: expected an image of the annotations");
  check_result_refused([](json& r) { r[1]["image_id"] = 7.5; }, "entry 1.image_id");
  check_result_refused([](json& r) { r[1].erase("score"); }, "entry 1.score: expected a number, found none");
  check_result_refused([](json& r) { r[1]["score"] = nullptr; }, "entry 1.score");
  check_result_refused([](json& r) { r[0].erase("segmentation"); }, "entry 0: expected \"segmentation\"");
  check_result_refused(
      [](json& r) {
        r[0]["segmentation"] = {{"size", {4, 4}}, {"counts", "`0"}};
      },
      "entry 0.segmentation.size: expected [8, 10]");
  check_result_refused(
      [](json& r) {
        r[0]["segmentation"] = {{"size", {8, 10}}, {"counts", "12"}};
      },
      "entry 0.segmentation.counts: expected a run-length code of 80 pixels");
  check_result_refused([](json& r) { r[0]["visible_segmentation"] = box(0, 0, 2, 2); },
                       "in every entry or in none, found it in 1 of 2");
  check_result_refused([](json& r) { r[0]["level_segmentations"] = json::array({box(0, 0, 4, 4)}); },
                       "in every entry or in none, found it in 1 of 2");
  const auto with_levels = [](const json& levels) {
    return [levels](json& r) { r[0]["level_segmentations"] = r[1]["level_segmentations"] = levels; };
  };
  check_result_refused(with_levels(json::array({box(0, 0, 4, 3)})), "disjoint masks that make up the 16 pixels");
  check_result_refused(with_levels(json::array({box(0, 0, 4, 4), box(0, 0, 4, 4)})), "disjoint masks");
  check_result_refused(with_levels(json::array({box(0, 0, 4, 2), box(4, 0, 8, 2)})), "disjoint masks");
  check_result_refused(with_levels(json::array()), "expected a list of masks");
  check_result_refused(with_levels(5), "expected a list of masks");
}
