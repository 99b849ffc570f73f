// Stage by stage: the engine against the double evaluation of the ONNX file, and both against PyTorch's fingerprint.
#include <algorithm>
#include <cmath>
#include <map>

#include "importer/fingerprint.h"
#include "importer/importer.h"
#include "importer/match.h"
#include "importer/verify_boxes.h"

namespace sln {
namespace {

// How far two implementations may be apart at one stage.
struct Limits {
  double worst = 0;
  double p99 = 0;
  bool relative = false;  // to the stage's RMS where that is above 1
};

const std::map<std::string, Limits>& stage_limits() {
  static const std::map<std::string, Limits> limits = {
      {"features", {1e-3, 1e-4, true}},         {"global_layers", {1e-3, 1e-4, false}},
      {"rpn_objectness", {1e-3, 1e-4, true}},   {"rpn_deltas", {1e-3, 1e-4, true}},
      {"boxes", {1e-2, 1e-2, false}},           {"scores", {1e-4, 1e-4, false}},
      {"instance_layers", {1e-3, 1e-4, false}}, {"layers", {1e-3, 1e-4, false}},
      {"confidence", {1e-3, 1e-4, false}},      {"level", {0, 0, false}}};
  return limits;
}

constexpr double kLevelTie = 1e-3;    // the two best layers this close may change places
constexpr double kScoreTie = 2.5e-6;  // logits 1e-5 apart

using Stages = std::map<std::string, const Tensor*>;

Stages by_name(const std::vector<Tensor>& tensors) {
  Stages stages;
  for (const Tensor& tensor : tensors) stages[tensor.name] = &tensor;
  return stages;
}

const Tensor& stage(const Stages& stages, const std::string& name, const std::string& who) {
  const auto found = stages.find(name);
  if (found == stages.end()) fail(ErrorKind::kInvalidArgument, who, ": expected a tensor ", name, ", found none");
  return *found->second;
}

double rms(const std::vector<float>& data) {
  double sum = 0;
  for (const float x : data) sum += static_cast<double>(x) * static_cast<double>(x);
  return data.empty() ? 0.0 : std::sqrt(sum / static_cast<double>(data.size()));
}

double mean(const std::vector<float>& data) {
  double sum = 0;
  for (const float x : data) sum += static_cast<double>(x);
  return data.empty() ? 0.0 : sum / static_cast<double>(data.size());
}

StageCheck new_check(const std::string& name, const std::string& pair, double scale) {
  const Limits& limits = stage_limits().at(name);
  const double factor = limits.relative ? std::max(1.0, scale) : 1.0;
  StageCheck check;
  check.stage = name;
  check.pair = pair;
  check.limit = limits.worst * factor;
  check.limit_p99 = limits.p99 * factor;
  return check;
}

// Fills p99 and worst; NaN counts as infinitely far.
void judge(StageCheck& check, std::vector<double>& differences) {
  for (double& d : differences)
    if (std::isnan(d)) d = std::numeric_limits<double>::infinity();
  check.compared = static_cast<int64_t>(differences.size());
  if (!differences.empty()) {
    const size_t at = (differences.size() - 1) * 99 / 100;
    std::nth_element(differences.begin(), differences.begin() + static_cast<std::ptrdiff_t>(at), differences.end());
    check.p99 = differences[at];
    check.worst = *std::max_element(differences.begin(), differences.end());
  }
  check.passed = check.detail.empty() && check.p99 <= check.limit_p99 && check.worst <= check.limit &&
                 check.exceptions <= check.exceptions_limit;
}

// True where the two best of the levels' probabilities are a near-tie at this cell. layers: (n, planes, cells).
bool level_near_tie(const Tensor& layers, size_t row, size_t cell) {
  const size_t planes = static_cast<size_t>(layers.dims.at(1));
  const size_t cells = static_cast<size_t>(layers.dims.at(2) * layers.dims.at(3));
  float best = -1, second = -1;
  for (size_t k = 1; k < planes; ++k) {
    const float p = layers.data[(row * planes + k) * cells + cell];
    if (p > best) {
      second = best;
      best = p;
    } else {
      second = std::max(second, p);
    }
  }
  return planes > 2 && static_cast<double>(best) - static_cast<double>(second) < kLevelTie;
}

class Comparison {
 public:
  Comparison(const ReferenceRun& reference, const std::vector<Tensor>& engine)
      : run_(reference),
        dense_names_(importer::dense_stages(reference.config)),
        per_box_names_(importer::per_box_stages(reference.config)),
        onnx_(by_name(reference.stages)),
        engine_(by_name(engine)) {}

  VerifyReport report() {
    if (!engine_.empty()) compare_engine();
    if (!run_.fingerprint.empty()) {
      report_.has_fingerprint = true;
      const importer::Fingerprint fingerprint =
          importer::parse_fingerprint(run_.fingerprint, run_.config, "fingerprint");
      compare_fingerprint(fingerprint, onnx_, "onnx - fingerprint");
      if (!engine_.empty()) compare_fingerprint(fingerprint, engine_, "engine - fingerprint");
    }
    report_.passed = !report_.checks.empty() && std::all_of(report_.checks.begin(), report_.checks.end(),
                                                            [](const StageCheck& check) { return check.passed; });
    return std::move(report_);
  }

 private:
  void compare_engine() {
    const std::string pair = "engine - onnx";
    for (const std::string& name : dense_names_) {
      const Tensor& a = stage(onnx_, name, "reference");
      const Tensor& b = stage(engine_, name, "engine");
      StageCheck check = new_check(name, pair, rms(a.data));
      std::vector<double> differences;
      if (a.dims != b.dims)
        check.detail = concat("expected shape ", to_string(a.dims), ", found ", to_string(b.dims));
      else
        for (size_t i = 0; i < a.data.size(); ++i)
          differences.push_back(std::abs(static_cast<double>(a.data[i]) - static_cast<double>(b.data[i])));
      judge(check, differences);
      report_.checks.push_back(check);
    }
    const importer::BoxMatching matching = match();
    report_.checks.push_back(order_check(matching));
    for (const std::string& name : per_box_names_) report_.checks.push_back(compare_rows(name, matching.pairs));
  }

  importer::BoxMatching match() const {
    const Tensor& found = stage(engine_, "anchor_index", "engine");
    const auto expected = onnx_.find("anchor_index");
    // Where the box glue of the file could not be read, its boxes have no anchor numbers; then place stands for place.
    if (expected != onnx_.end())
      return importer::match_boxes(run_.config, stage(onnx_, "rpn_objectness", "reference"),
                                   stage(onnx_, "rpn_deltas", "reference"), *expected->second, found);
    importer::BoxMatching matching;
    const size_t ours = found.data.size(), theirs = static_cast<size_t>(stage(onnx_, "scores", "reference").dims.at(0));
    for (size_t i = 0; i < std::min(ours, theirs); ++i) matching.pairs.emplace_back(i, i);
    matching.differences = matching.unexplained_differences =
        std::abs(static_cast<int64_t>(ours) - static_cast<int64_t>(theirs));
    if (matching.differences != 0) matching.detail = concat("expected ", theirs, " boxes, found ", ours);
    return matching;
  }

  StageCheck order_check(const importer::BoxMatching& matching) const {
    StageCheck check;
    check.stage = "kept boxes";
    check.pair = "engine - onnx";
    check.compared = static_cast<int64_t>(matching.pairs.size());
    check.exceptions = matching.swaps + matching.differences;
    check.exceptions_limit = std::max<int64_t>(2, run_.config.max_rois / 10);
    check.worst = static_cast<double>(matching.unexplained_swaps + matching.unexplained_differences);
    check.detail = matching.detail;
    check.passed = check.worst == 0 && check.exceptions <= check.exceptions_limit;
    return check;
  }

  StageCheck compare_rows(const std::string& name, const std::vector<std::pair<size_t, size_t>>& pairs) const {
    const Tensor& a = stage(onnx_, name, "reference");
    const Tensor& b = stage(engine_, name, "engine");
    StageCheck check = new_check(name, "engine - onnx", rms(a.data));
    std::vector<double> differences;
    const Dims row_a(a.dims.begin() + 1, a.dims.end()),
        row_b(b.dims.begin() + std::min<std::ptrdiff_t>(1, static_cast<std::ptrdiff_t>(b.dims.size())), b.dims.end());
    if (row_a != row_b) {
      check.detail = concat("expected rows of shape ", to_string(row_a), ", found ", to_string(row_b));
      judge(check, differences);
      return check;
    }
    const size_t length = static_cast<size_t>(element_count(row_a));
    check.exceptions_limit =
        name == "level" ? std::max<int64_t>(4, static_cast<int64_t>(pairs.size() * length / 1000)) : 0;
    for (const auto& rows : pairs)
      for (size_t i = 0; i < length; ++i) {
        const double d = std::abs(static_cast<double>(a.data[rows.first * length + i]) -
                                  static_cast<double>(b.data.at(rows.second * length + i)));
        if (name == "level" && d != 0 && level_near_tie(stage(onnx_, "layers", "reference"), rows.first, i))
          ++check.exceptions;
        else
          differences.push_back(d);
      }
    judge(check, differences);
    return check;
  }

  void compare_fingerprint(const importer::Fingerprint& fingerprint, const Stages& stages, const std::string& pair) {
    for (const auto* names : {&dense_names_, &per_box_names_})
      for (const std::string& name : *names)
        report_.checks.push_back(compare_summary(name, fingerprint.at(name), stages, pair, names == &per_box_names_));
  }

  // p99 holds the larger difference of mean and RMS, worst that of the samples.
  StageCheck compare_summary(const std::string& name, const importer::StageFingerprint& expected, const Stages& stages,
                             const std::string& pair, bool per_box) const {
    const Tensor& found = stage(stages, name, pair);
    StageCheck check = new_check(name, pair, expected.rms);
    if (name == "level") {  // whole numbers: a near-tie or two may fall the other way
      check.limit_p99 = 1e-3;
      check.limit = 0;
    }
    if (found.dims != expected.shape) {
      check.detail = concat("expected shape ", to_string(expected.shape), ", found ", to_string(found.dims));
      return check;
    }
    check.exceptions_limit = per_box ? 2 : 0;
    check.p99 = std::max(std::abs(mean(found.data) - expected.mean), std::abs(rms(found.data) - expected.rms));
    check.compared = static_cast<int64_t>(expected.samples.size()) + 2;
    for (const auto& sample : expected.samples) {
      const size_t at = static_cast<size_t>(sample.first);
      const double d = std::abs(static_cast<double>(found.data[at]) - sample.second);
      if (!(d <= check.limit) && per_box && near_tie(name, found, at, sample.second, check.limit, stages)) {
        ++check.exceptions;
        continue;
      }
      if (!(d <= check.limit) && check.detail.empty())
        check.detail = concat("sample ", at, ": expected ", sample.second, ", found ", found.data[at]);
      check.worst = std::max(check.worst, std::isnan(d) ? std::numeric_limits<double>::infinity() : d);
    }
    check.passed = check.detail.empty() && check.p99 <= check.limit_p99 && check.exceptions <= check.exceptions_limit;
    return check;
  }

  // A sample that fits the row before or after, whose score is as good as the same, or a level whose two best layers
  // are.
  bool near_tie(const std::string& name, const Tensor& found, size_t at, double expected, double limit,
                const Stages& stages) const {
    const size_t rows = static_cast<size_t>(found.dims.at(0)), length = found.data.size() / rows, row = at / length;
    if (name == "level" && level_near_tie(stage(stages, "layers", "stages"), row, at % length)) return true;
    const Tensor& scores = stage(stages, "scores", "stages");
    for (const size_t other : {row - 1, row + 1}) {
      if (other >= rows) continue;  // row - 1 of row 0 wraps around
      const double gap = std::abs(static_cast<double>(scores.data[row]) - static_cast<double>(scores.data[other]));
      if (gap < kScoreTie &&
          std::abs(static_cast<double>(found.data[other * length + at % length]) - expected) <= limit)
        return true;
    }
    return false;
  }

  const ReferenceRun& run_;
  const std::vector<std::string> dense_names_;
  const std::vector<std::string> per_box_names_;
  Stages onnx_, engine_;
  VerifyReport report_;
};

}  // namespace

VerifyReport compare_stages(const ReferenceRun& reference, const std::vector<Tensor>& engine) {
  return Comparison(reference, engine).report();
}

}  // namespace sln
