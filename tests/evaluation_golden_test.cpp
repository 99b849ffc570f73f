// Whole reports against the figures of an independent transcript of the rules (tests/evaluation/transcript.py).
#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "evaluation/report.h"

namespace {

using namespace sln::evaluation;
using nlohmann::json;

const std::string kScenes = SLN_SOURCE_DIR "/tests/evaluation/scenes/";

std::string read(const std::string& name) {
  std::ifstream file(kScenes + name);
  REQUIRE(file);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

struct Case {
  std::string annotations, author;
  std::vector<std::string> results;
  Options options;
  int resamples = 1000;
};

Case case_of(const json& arguments) {
  Case one;
  for (size_t i = 0; i < arguments.size(); ++i) {
    const std::string option = arguments[i];
    if (option == "--things" || option == "--stuff") {
      one.options.subset = option == "--things" ? Subset::kThings : Subset::kStuff;
      continue;
    }
    const std::string value = arguments.at(++i);
    if (option == "-g") one.annotations = value;
    if (option == "-r") one.results.push_back(value);
    if (option == "--author") one.author = value;
    if (option == "--mode") one.options.mode = value == "strict" ? Mode::kStrict : Mode::kSlnCompat;
    if (option == "--mask") one.options.mask = value == "visible" ? MaskKind::kVisible : MaskKind::kHidden;
    if (option == "--max-detections") one.options.max_detections = std::stoi(value);
    if (option == "--resamples") one.resamples = std::stoi(value);
  }
  return one;
}

json report(const Case& one) {
  const Dataset dataset = parse_dataset(read(one.annotations), one.annotations, one.author);
  Report report;
  report.options = one.options;
  report.resamples = one.resamples;
  std::vector<std::vector<ImageTally>> tallies;
  std::vector<Ranking> rankings;
  for (const std::string& name : one.results) {
    const Results results = parse_results(read(name), name, dataset);
    tallies.push_back(tally_images(dataset, results, one.options));
    rankings.emplace_back(tallies.back(), subsets_of(one.options).size());
    report.files.push_back(report_of(results, tallies.back(), rankings.back(), one.options));
  }
  if (tallies.size() == 2) {
    report.intervals = paired_intervals({&tallies[0], &rankings[0], report.files[0].available},
                                        {&tallies[1], &rankings[1], report.files[1].available}, one.resamples, 2);
  }
  CHECK(!table_of(report).empty());
  return json::parse(json_of(report));
}

// Compares one figure; the largest difference seen goes to worst.
void check_figure(const std::string& key, const json& found, const json& expected, double& worst) {
  INFO(key << ": found " << found << ", expected " << expected);
  if (!expected.is_number()) {
    CHECK(found == expected);
    return;
  }
  REQUIRE(found.is_number());
  const double difference = std::abs(found.get<double>() - expected.get<double>());
  CHECK(difference <= 1e-12);
  worst = std::max(worst, difference);
}

}  // namespace

TEST_CASE("every figure of every committed case is the transcript's") {
  const json cases = json::parse(read("golden.json"));
  REQUIRE(cases.size() == 15);
  double worst = 0;
  size_t figures = 0;
  for (const json& one : cases) {
    INFO(one["arguments"]);
    const json found = report(case_of(one["arguments"]));
    for (const auto& [key, expected] : one["figures"].items()) {
      const json::json_pointer pointer(key);
      REQUIRE(found.contains(pointer));
      check_figure(key, found.at(pointer), expected, worst);
      ++figures;
    }
  }
  CHECK(figures > 1500);
  WARN(figures << " figures, the largest difference is " << worst);
}

TEST_CASE("a report does not depend on the number of threads") {
  Case one;
  one.annotations = "annotations.json";
  one.results = {"results.json"};
  one.options.threads = 1;
  const json alone = report(one);
  one.options.threads = 5;
  CHECK(report(one) == alone);
}
