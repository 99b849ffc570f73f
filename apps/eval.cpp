// sln eval: results against annotations.
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>

#include "apps/commands.h"
#include "apps/failure.h"
#include "apps/files.h"
#include "apps/numbers.h"
#include "apps/progress.h"
#include "evaluation/report.h"

namespace sln::apps {
namespace {

struct EvalArguments {
  std::string annotations;
  std::vector<std::string> results;
  std::string mode = "strict", mask = "amodal", author, csv, threads, max_detections = "100", resamples = "1000";
  bool things = false, stuff = false;
  std::vector<std::string> json;  // of no or one value
  bool json_given = false;
};

evaluation::Options options_of(const EvalArguments& arguments) {
  evaluation::Options options;
  options.mode = arguments.mode == "strict" ? evaluation::Mode::kStrict : evaluation::Mode::kSlnCompat;
  if (arguments.things) options.subset = evaluation::Subset::kThings;
  if (arguments.stuff) options.subset = evaluation::Subset::kStuff;
  if (arguments.mask == "visible") options.mask = evaluation::MaskKind::kVisible;
  if (arguments.mask == "hidden") options.mask = evaluation::MaskKind::kHidden;
  options.max_detections = arguments.max_detections == "1000" ? 1000 : 100;
  if (!arguments.threads.empty()) options.threads = static_cast<int>(parse_int("--threads", arguments.threads, 1, 256));
  return options;
}

// Takes "model" and "options" from the beginning of a scenes.json, and stops before its images.
class ScenesHead : public nlohmann::json_sax<nlohmann::ordered_json> {
 public:
  nlohmann::ordered_json found = nlohmann::ordered_json::object();

  bool null() override { return set(nullptr); }
  bool boolean(bool value) override { return set(value); }
  bool number_integer(number_integer_t value) override { return set(value); }
  bool number_unsigned(number_unsigned_t value) override { return set(value); }
  bool number_float(number_float_t value, const string_t& /*text*/) override { return set(value); }
  bool string(string_t& value) override { return set(value); }
  bool binary(binary_t& /*value*/) override { return false; }
  bool start_object(std::size_t /*elements*/) override { return ++depth_ <= 2; }
  bool end_object() override { return --depth_ > 0; }
  bool start_array(std::size_t /*elements*/) override { return false; }
  bool end_array() override { return false; }
  bool key(string_t& value) override {
    if (depth_ == 1) section_ = value;
    key_ = value;
    return depth_ > 1 || value != "images";
  }
  bool parse_error(std::size_t /*position*/, const std::string& /*token*/,
                   const nlohmann::json::exception& /*error*/) override {
    return false;
  }

 private:
  template <typename Value>
  bool set(const Value& value) {
    if (depth_ == 2 && (section_ == "model" || section_ == "options")) found[section_][key_] = value;
    return true;
  }

  int depth_ = 0;
  std::string section_, key_;
};

// Model and options of the run that wrote the results, as JSON: from the scenes.json beside a results.json, "" where
// there is none.
std::string run_of(const std::string& results) {
  const std::string name = "results.json";
  const size_t begin = results.size() - std::min(results.size(), name.size());
  if (results.substr(begin) != name || (begin > 0 && results[begin - 1] != '/')) return "";
  std::string text;
  try {
    text = read_file(results.substr(0, begin) + "scenes.json");
  } catch (const Failure&) {
    return "";  // not every results.json is one of sln run
  }
  ScenesHead head;
  nlohmann::ordered_json::sax_parse(text, &head);
  return head.found.size() == 2 ? head.found.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) : "";
}

// One results file, read, compared and summed up.
struct File {
  std::vector<evaluation::ImageTally> tallies;
  std::unique_ptr<evaluation::Ranking> ranking;
  evaluation::FileReport report;

  evaluation::Evaluated evaluated() const { return {&tallies, ranking.get(), report.available}; }
};

File evaluate(const std::string& path, const evaluation::Dataset& dataset, const evaluation::Options& options) {
  File file;
  std::string text = read_file(path);
  const std::string sha256 = evaluation::file_sha256(text);
  const evaluation::Results results = evaluation::parse_results(text, path, dataset);
  if (options.mask != evaluation::MaskKind::kAmodal && !results.visible)
    fail(path, ": --mask ", options.mask == evaluation::MaskKind::kVisible ? "visible" : "hidden",
         ": expected \"visible_segmentation\" or \"level_segmentations\" in every entry, found entries without");
  text = std::string();  // the entries have what they need of it
  file.tallies = evaluation::tally_images(dataset, results, options);
  file.ranking = std::make_unique<evaluation::Ranking>(file.tallies, evaluation::subsets_of(options).size());
  file.report = evaluation::report_of(results, file.tallies, *file.ranking, options);
  file.report.sha256 = sha256;
  file.report.run = run_of(path);
  return file;
}

// Refuses a file that is to be written over another one of the command line.
void check_distinct(const EvalArguments& arguments, const std::string& json, const std::string& csv) {
  std::vector<std::string> others = arguments.results;
  others.push_back(arguments.annotations);
  for (const std::string& path : {csv, json}) {
    if (path.empty()) continue;
    for (const std::string& other : others) {
      std::error_code none;
      if (path == other || std::filesystem::equivalent(path, other, none))
        fail(path, ": expected a file of its own to write to, found another file of this command");
    }
    others.push_back(path);
  }
}

// Files that are to be written get their temporary names before any work, and their own ones at the end.
struct Outputs {
  std::unique_ptr<PendingFile> json, csv;
};

int eval(const EvalArguments& arguments) {
  if (arguments.results.size() > 2)
    fail("--results: expected one file, or two to compare, found ", arguments.results.size());
  if (arguments.things && arguments.stuff) fail("--things, --stuff: expected one of them, found both");
  const evaluation::Options options = options_of(arguments);
  evaluation::Report report;
  report.resamples = static_cast<int>(parse_int("--resamples", arguments.resamples, 1, 1000000));
  Outputs outputs;
  const bool to_stdout =
      arguments.json_given && (arguments.json.empty() || arguments.json[0].empty() || arguments.json[0] == "-");
  if (to_stdout && arguments.csv == "-") fail("--json, --csv: expected one of them on standard output, found both");
  const std::string json = arguments.json_given && !to_stdout ? arguments.json[0] : "";
  const std::string csv = arguments.csv == "-" ? "" : arguments.csv;
  check_distinct(arguments, json, csv);
  if (!json.empty()) outputs.json = std::make_unique<PendingFile>(json);
  if (!csv.empty()) outputs.csv = std::make_unique<PendingFile>(csv);

  const std::string text = read_file(arguments.annotations);
  const evaluation::Dataset dataset = evaluation::parse_dataset(text, arguments.annotations, arguments.author);
  report.options = options;
  report.author = arguments.author;
  report.annotations = arguments.annotations;
  report.annotations_sha256 = evaluation::file_sha256(text);
  report.images = static_cast<int64_t>(dataset.images.size());
  std::vector<File> files;
  for (const std::string& path : arguments.results) files.push_back(evaluate(path, dataset, options));
  if (files.size() == 2) {
    report.intervals =
        evaluation::paired_intervals(files[0].evaluated(), files[1].evaluated(), report.resamples, options.threads);
  }
  for (const File& file : files) report.files.push_back(file.report);

  std::string lines;
  if (!arguments.csv.empty()) {
    lines = evaluation::csv_header();
    for (const File& file : files) lines += evaluation::csv_lines(dataset, file.report, file.tallies, options);
  }
  if (outputs.csv != nullptr) {
    outputs.csv->append(lines);
    outputs.csv->finish();
  }
  if (outputs.json != nullptr) {
    outputs.json->append(evaluation::json_of(report));
    outputs.json->finish();
  }
  if (outputs.csv != nullptr) outputs.csv->commit();
  if (outputs.json != nullptr) outputs.json->commit();
  print(to_stdout ? evaluation::json_of(report) : arguments.csv == "-" ? lines : evaluation::table_of(report));
  return kExitDone;
}

}  // namespace

void add_eval(CLI::App* app, int* status) {
  auto arguments = std::make_shared<EvalArguments>();
  CLI::App* command = app->add_subcommand("eval", "Compare results with annotations");
  command->add_option("-g,--annotations", arguments->annotations, "Annotations, COCOA's schema or COCO's")->required();
  command
      ->add_option("-r,--results", arguments->results, "Results of sln run; a second file is compared with the first")
      ->required();
  command
      ->add_option("--mode", arguments->mode,
                   "strict: every annotated image counts; sln-compat: images without detections leave AP and AR")
      ->check(CLI::IsMember({"strict", "sln-compat"}))
      ->capture_default_str();
  command->add_flag("--things", arguments->things, "Only regions with isStuff 0 count");
  command->add_flag("--stuff", arguments->stuff, "Only regions with isStuff 1 count");
  command->add_option("--mask", arguments->mask, "Masks that AP and AR compare: amodal, visible or hidden")
      ->check(CLI::IsMember({"amodal", "visible", "hidden"}))
      ->capture_default_str();
  command->add_option("--max-detections", arguments->max_detections, "Detections of an image that count: 100 or 1000")
      ->check(CLI::IsMember({"100", "1000"}))
      ->capture_default_str();
  command->add_option("--author", arguments->author, "Only annotations with this \"author\"");
  CLI::Option* json =
      command
          ->add_option("--json", arguments->json,
                       "Write the report as JSON to a file, or instead of the tables to standard output")
          ->expected(0, 1);
  command->add_option(
      "--csv", arguments->csv,
      "Write one line per image and results file, to a file, or with - instead of the tables to standard output");
  command->add_option("--resamples", arguments->resamples, "Resamples behind the intervals of two files")
      ->capture_default_str();
  command->add_option("--threads", arguments->threads, "Threads, 1 to 256 (default: the machine's cores)");
  command->callback([arguments, json, status] {
    arguments->json_given = json->count() > 0;
    *status = eval(*arguments);
  });
}

}  // namespace sln::apps
