// sln bench: how fast a model runs on this machine, and how near to what the machine can do.
#include <algorithm>
#include <memory>
#include <nlohmann/json.hpp>

#include "apps/commands.h"
#include "apps/failure.h"
#include "apps/handles.h"
#include "apps/numbers.h"
#include "apps/progress.h"
#include "apps/sampling.h"
#include "apps/test_picture.h"

namespace sln::apps {
namespace {

constexpr size_t kLeastSamples = 5;
constexpr size_t kWarmUpRuns = 1;
constexpr double kPatience = 6;  // times the asked-for seconds, for undisturbed samples

struct BenchArguments {
  std::string model, image, threads;
  std::string score = "0", seconds = "10";
  bool json = false;
};

struct StageSummary {
  std::string name;
  double median = 0, p90 = 0;  // seconds
  int64_t macs = 0;
};

struct Report {
  ModelSummary model;
  MachineSummary machine;
  std::string image;
  int rois = 0, max_rois = 0, objects = 0;
  size_t kept = 0, dropped = 0;
  bool disturbed = false;                 // too few samples had their share of the cores
  double least_share = 1;                 // of the cores' time, of the samples that were kept
  double median = 0, p90 = 0, least = 0;  // seconds
  double peak_flops = 0;                  // measured
  int64_t macs = 0;
  std::vector<StageSummary> stages;
  long long resident_bytes = 0, arena_bytes = 0, weight_bytes = 0;
};

std::vector<Sample> take_samples(sln_engine* engine, sln_result* result, const Image& image, double seconds,
                                 int threads) {
  const auto run = [&] {
    check(sln_engine_run(engine, image.rgb.data(), image.width, image.height, 3 * static_cast<ptrdiff_t>(image.width),
                         result));
  };
  for (size_t i = 0; i < kWarmUpRuns; ++i) run();
  std::vector<Sample> samples;
  size_t good = 0;
  const double begin = wall_clock();
  for (;;) {
    // A busy machine may never give five undisturbed samples; then those there are must do, and the report says so.
    const double elapsed = wall_clock() - begin;
    const bool enough = good >= kLeastSamples && elapsed >= seconds;
    const bool late = samples.size() >= kLeastSamples && elapsed >= kPatience * seconds;
    if (enough || late) return samples;
    Sample sample;
    const double waited = waited_seconds();
    const double wall = wall_clock();
    run();
    sample.wall_seconds = wall_clock() - wall;
    sample.wait_seconds = waited_seconds() - waited;
    good += core_share(sample, threads) >= kLeastShare ? 1 : 0;
    for (const StageTime& stage : scene_of(engine, result).stages) sample.stage_seconds.push_back(stage.seconds);
    samples.push_back(sample);
  }
}

void summarize(const std::vector<Sample>& samples, const std::vector<StageTime>& stages, Report* report) {
  const std::vector<Sample> kept = undisturbed(samples, report->machine.threads, kLeastSamples, &report->disturbed);
  report->kept = kept.size();
  report->dropped = samples.size() - kept.size();
  std::vector<double> walls;
  for (const Sample& sample : kept) {
    walls.push_back(sample.wall_seconds);
    report->least_share = std::min(report->least_share, core_share(sample, report->machine.threads));
  }
  report->median = median(walls);
  report->p90 = quantile(walls, 0.9);
  report->least = *std::min_element(walls.begin(), walls.end());
  for (size_t i = 0; i < stages.size(); ++i) {
    std::vector<double> seconds;
    for (const Sample& sample : kept) seconds.push_back(sample.stage_seconds[i]);
    report->stages.push_back({stages[i].name, median(seconds), quantile(seconds, 0.9), stages[i].macs});
    report->macs += stages[i].macs;
  }
}

double gflops(int64_t macs, double seconds) {
  return seconds > 0 ? 2e-9 * static_cast<double>(macs) / seconds : 0;
}

nlohmann::ordered_json stage_json(const StageSummary& stage, double peak) {
  const double rate = gflops(stage.macs, stage.median);
  return {{"name", stage.name}, {"median_seconds", stage.median},    {"p90_seconds", stage.p90}, {"macs", stage.macs},
          {"gflops", rate},     {"share_of_peak", rate * 1e9 / peak}};
}

void print_json(const Report& report) {
  nlohmann::ordered_json stages = nlohmann::ordered_json::array();
  for (const StageSummary& stage : report.stages) stages.push_back(stage_json(stage, report.peak_flops));
  const double rate = gflops(report.macs, report.median);
  const nlohmann::ordered_json json = {{"sln_version", report.model.version},
                                       {"config_sha256", report.model.config_sha256},
                                       {"weights", report.model.weights},
                                       {"side", report.model.side},
                                       {"device", report.machine.device},
                                       {"isa", report.machine.isa},
                                       {"threads", report.machine.threads},
                                       {"image", report.image},
                                       {"rois", report.rois},
                                       {"max_rois", report.max_rois},
                                       {"all_rois", report.rois == report.max_rois},
                                       {"objects", report.objects},
                                       {"samples", report.kept},
                                       {"samples_dropped", report.dropped},
                                       {"disturbed", report.disturbed},
                                       {"least_core_share", report.least_share},
                                       {"median_seconds", report.median},
                                       {"p90_seconds", report.p90},
                                       {"least_seconds", report.least},
                                       {"images_per_second", 1 / report.median},
                                       {"macs", report.macs},
                                       {"gflops", rate},
                                       {"peak_gflops", report.peak_flops * 1e-9},
                                       {"share_of_peak", rate * 1e9 / report.peak_flops},
                                       {"peak_resident_bytes", report.resident_bytes},
                                       {"arena_bytes", report.arena_bytes},
                                       {"packed_weight_bytes", report.weight_bytes},
                                       {"stages", stages}};
  print(json.dump(1, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n");
}

std::string cell(const std::string& content, size_t width) {
  return std::string(content.size() < width ? width - content.size() : 0, ' ') + content;
}

void print_line(const std::string& name, double middle, double p90, int64_t macs, double peak) {
  const double rate = gflops(macs, middle);
  print("  " + name + std::string(name.size() < 12 ? 12 - name.size() : 0, ' ') + cell(fixed(middle * 1e3, 2), 11) +
        cell(fixed(p90 * 1e3, 2), 11) + cell(fixed(static_cast<double>(macs) * 1e-9, 2), 10) +
        (macs > 0 ? cell(fixed(rate, 1), 10) + cell(fixed(rate * 1e11 / peak, 1) + " %", 10) : "") + "\n");
}

std::string mebibytes(long long bytes) {
  return fixed(static_cast<double>(bytes) / 1048576.0, 1) + " MiB";
}

void print_table(const Report& report) {
  print(text("model: side ", report.model.side, ", weights ", report.model.weights, "; image: ", report.image, "\n"));
  // A figure for fewer RoIs than the model can have must not pass for that of a full run.
  if (report.rois == report.max_rois) {
    print(text("heads: ", report.rois, " RoIs, all that the model can have\n"));
  } else {
    print(text("heads: only ", report.rois, " of at most ", report.max_rois,
               " RoIs; not comparable with a run of all\n"));
  }
  print(text("machine: ", report.machine.device, ", ", report.machine.isa, ", ", report.machine.threads,
             " threads, measured peak ", fixed(report.peak_flops * 1e-9, 1), " GFLOP/s\n"));
  print(text("samples: ", report.kept, " after ", kWarmUpRuns, " warm-up; dropped: ", report.dropped,
             " that waited for cores for over 3 % of threads x wall; worst share left ", fixed(report.least_share, 3),
             "\n"));
  if (report.disturbed)
    print("the machine was busy: too few samples reached 0.97, so these figures are not the machine's best\n");
  print("  stage         median ms     p90 ms      GMAC   GFLOP/s  of peak\n");
  for (const StageSummary& stage : report.stages)
    print_line(stage.name, stage.median, stage.p90, stage.macs, report.peak_flops);
  print_line("image", report.median, report.p90, report.macs, report.peak_flops);
  print(text("images per second: ", fixed(1 / report.median, 3), "; fastest ", fixed(report.least * 1e3, 2), " ms\n"));
  print(text("memory: peak resident ", mebibytes(report.resident_bytes), ", of it arena ",
             mebibytes(report.arena_bytes), ", packed weights ", mebibytes(report.weight_bytes), "\n"));
}

int bench(const BenchArguments& arguments) {
  EngineSettings settings;
  if (!arguments.threads.empty())
    settings.threads = static_cast<int>(parse_int("--threads", arguments.threads, 1, 256));
  settings.run.score_threshold = parse_double("--score", arguments.score, 0, 1);
  const double seconds = parse_double("--seconds", arguments.seconds, 0, 86400);
  Model model = open_model(arguments.model);
  const sln_model_info about = info_of(model.get());
  const Image image = arguments.image.empty() ? draw_test_picture(about.side) : read_image(arguments.image, true);
  const Engine engine = create_engine(model.get(), settings);
  const sln_engine_info machine = info_of(engine.get());
  const RunResult result = create_result();

  Report report;
  report.model = summary_of(model.get());
  model.reset();  // as in sln run
  report.machine = {machine.device, machine.isa, machine.threads};
  report.image =
      text(arguments.image.empty() ? "test picture" : arguments.image, ", ", image.width, " x ", image.height);
  report.max_rois = about.max_rois;
  const std::vector<Sample> samples = take_samples(engine.get(), result.get(), image, seconds, machine.threads);
  const Scene scene = scene_of(engine.get(), result.get());
  report.rois = scene.proposals;
  report.objects = static_cast<int>(scene.objects.size());
  summarize(samples, scene.stages, &report);
  report.resident_bytes = peak_resident_bytes();
  report.arena_bytes = machine.arena_bytes;
  report.weight_bytes = machine.weight_bytes;
  for (int i = 0; i < 3; ++i) {  // the best of three: what disturbs a measurement of the peak only lowers it
    double peak = 0;
    check(sln_engine_measure_peak(engine.get(), &peak));
    report.peak_flops = std::max(report.peak_flops, peak);
  }
  if (arguments.json) {
    print_json(report);
  } else {
    print_table(report);
  }
  return kExitDone;
}

}  // namespace

void add_bench(CLI::App* app, int* status) {
  auto arguments = std::make_shared<BenchArguments>();
  CLI::App* command = app->add_subcommand("bench", "Measure speed, share of the machine's peak, and memory");
  command->add_option("-m,--model", arguments->model, "Weight blob written by sln import")->required();
  command->add_option("--threads", arguments->threads,
                      "Threads of the engine, 1 to 256 (default: the machine's cores)");
  command->add_option("--image", arguments->image, "Image to work on (default: a test picture of the canvas size)");
  command->add_option("--score", arguments->score, "Least objectness of a box; at 0 the heads run for all of them")
      ->capture_default_str();
  command->add_option("--seconds", arguments->seconds, "Least time to take samples for; at least 5 are taken")
      ->capture_default_str();
  command->add_flag("--json", arguments->json, "Write the report as JSON");
  command->callback([arguments, status] { *status = bench(*arguments); });
}

}  // namespace sln::apps
