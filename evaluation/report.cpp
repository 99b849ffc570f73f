#include "evaluation/report.h"

#include <nlohmann/json.hpp>

#include "engine/sha256.h"

namespace sln::evaluation {
namespace {

using Json = nlohmann::ordered_json;

Json number(const std::optional<double>& value) {
  return value ? Json(*value) : Json(nullptr);
}

Json bin_json(const BinFigures& bin, bool ar1000) {
  Json json = {{"regions", bin.positives}, {"AP", bin.ap},      {"AP50", bin.ap50},  {"AP75", bin.ap75},
               {"AR1", bin.ar[0]},         {"AR10", bin.ar[1]}, {"AR100", bin.ar[2]}};
  if (ar1000) json["AR1000"] = bin.ar[3];
  return json;
}

Json subsets_json(const FileReport& file, const Options& options) {
  Json json = Json::object();
  const std::vector<Subset> subsets = subsets_of(options);
  for (size_t s = 0; s < subsets.size(); ++s) {
    for (size_t b = 0; b < kBins; ++b) {
      json[name_of(subsets[s])][kBinRanges[b].name] = bin_json(file.bins[s * kBins + b], file.available.ar1000);
    }
  }
  return json;
}

Json order_json(const OrderCounts& order) {
  return {{"pairs", order.pairs},
          {"decided", order.decided},
          {"right", order.right},
          {"accuracy", number(ratio(order.right, order.pairs))},
          {"coverage", number(ratio(order.decided, order.pairs))},
          {"accuracy_decided", number(ratio(order.right, order.decided))},
          {"accuracy_by_the_paper", number(ratio(order.right_by_paper, order.pairs))}};
}

OrderCounts without(const OrderCounts& all, const OrderCounts& part) {
  OrderCounts rest;
  rest.pairs = all.pairs - part.pairs;
  rest.decided = all.decided - part.decided;
  rest.right = all.right - part.right;
  rest.right_by_paper = all.right_by_paper - part.right_by_paper;
  return rest;
}

Json file_json(const FileReport& file, const Options& options) {
  Json json = Json::object();
  for (size_t f = 0; f < kFigures; ++f) {
    if (f != kAR1000 || file.available.ar1000) json[kFigureKeys[f]] = number(file.figures[f]);
  }
  json["results"] = {{"file", file.file},
                     {"sha256", file.sha256},
                     {"detections", file.detections},
                     {"left_out", file.left_out},
                     {"run", file.run.empty() ? Json(nullptr) : Json::parse(file.run)}};
  json["subsets"] = subsets_json(file, options);
  const Sums& sums = file.sums;
  if (file.available.order) {
    json["order"] = {{"all", order_json(sums.order)},
                     {"overlap_under_20", order_json(sums.slight)},
                     {"overlap_from_20", order_json(without(sums.order, sums.slight))}};
  } else {
    json["order"] = nullptr;
  }
  json["completion"] = {{"regions", sums.best.count},
                        {"occluded", sums.best_occluded.count},
                        {"hidden_matched", file.available.hidden ? Json(sums.hidden.count) : Json(nullptr)}};
  return json;
}

Json intervals_json(const Report& report) {
  Json json = {{"resamples", report.resamples}};
  for (size_t f = 0; f < kFigures; ++f) {
    const std::optional<Interval>& one = report.intervals[f];
    if (f == kAR1000 && !report.files[0].available.ar1000) continue;
    json[kFigureKeys[f]] =
        one ? Json{{"difference", one->difference}, {"low", one->low}, {"high", one->high}, {"shown", one->shown()}}
            : Json(nullptr);
  }
  return json;
}

}  // namespace

FileReport report_of(const Results& results, const std::vector<ImageTally>& tallies, const Ranking& ranking,
                     const Options& options) {
  FileReport report;
  report.file = results.file;
  report.detections = results.detections;
  report.left_out = results.left_out;
  report.available.order = results.levels;
  report.available.hidden = results.visible;
  report.available.ar1000 = options.max_detections == 1000;
  const std::vector<int> ones(tallies.size(), 1);
  report.figures = figures_of(tallies, ranking, ones, report.available);
  report.sums = sums_of(tallies, ones);
  for (size_t cell = 0; cell < subsets_of(options).size() * kBins; ++cell) {
    BinFigures bin;
    for (const ImageTally& tally : tallies) bin.positives += tally.counts ? tally.cells[cell].positives : 0;
    const Ranking::Precision precision = ranking.precision(ones, cell);
    bin.ap = precision.ap;
    bin.ap50 = precision.ap50;
    bin.ap75 = precision.ap75;
    for (int m = 0; m < kLimits; ++m) {
      if (kDetectionLimits[m] <= options.max_detections) bin.ar[m] = average_recall(tallies, ones, cell, m);
    }
    report.bins.push_back(bin);
  }
  return report;
}

std::string file_sha256(const std::string& bytes) {
  return sha256_hex(bytes);
}

std::string json_of(const Report& report) {
  Json json = file_json(report.files[0], report.options);
  json["mode"] = name_of(report.options.mode);
  json["flags"] = {{"mode", name_of(report.options.mode)},
                   {"regions", name_of(report.options.subset)},
                   {"mask", name_of(report.options.mask)},
                   {"max_detections", report.options.max_detections},
                   {"author", report.author.empty() ? Json(nullptr) : Json(report.author)}};
  json["annotations"] = {{"file", report.annotations},
                         {"sha256", report.annotations_sha256},
                         {"images", report.images},
                         {"regions", report.files[0].sums.regions},
                         {"occluded", report.files[0].sums.occluded}};
  if (report.files.size() > 1) {
    json["other"] = file_json(report.files[1], report.options);
    json["differences"] = intervals_json(report);
  }
  return json.dump(1, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace sln::evaluation
