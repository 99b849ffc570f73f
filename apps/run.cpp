// sln run: from images to results.json, scenes.json, timings.json, overlays and dumps.
#include <chrono>
#include <csignal>
#include <memory>

#include "apps/commands.h"
#include "apps/failure.h"
#include "apps/files.h"
#include "apps/handles.h"
#include "apps/image_loader.h"
#include "apps/inputs.h"
#include "apps/numbers.h"
#include "apps/overlay.h"
#include "apps/progress.h"
#include "apps/results_json.h"
#include "apps/safetensors_writer.h"

namespace sln::apps {
namespace {

struct RunArguments {
  std::string model, output, dump, annotations;
  std::string device = "auto", score_mode = "mask";
  // Numbers as given; parsed in every locale alike.
  std::string threads, score, nms = "0.6", visible_overlap = "1", mask_threshold = "0.5";
  bool overlay = false, levels = false, no_refine = false;
  std::vector<std::string> inputs;
};

volatile std::sig_atomic_t interrupted = 0;

EngineSettings settings_of(const RunArguments& arguments) {
  EngineSettings settings;
  settings.device = arguments.device;
  if (!arguments.threads.empty())
    settings.threads = static_cast<int>(parse_int("--threads", arguments.threads, 1, 256));
  settings.capture = !arguments.dump.empty();
  settings.level_masks = arguments.levels;
  RunSettings& run = settings.run;
  run.score_threshold = settings.capture ? 0.0 : 0.5;
  if (!arguments.score.empty()) run.score_threshold = parse_double("--score", arguments.score, 0, 1);
  if (settings.capture && run.score_threshold != 0) {
    fail("--score: expected 0 with --dump, which shows every proposal, found \"", arguments.score, "\"");
  }
  run.mask_nms = parse_double("--nms", arguments.nms, 0, 1);
  run.visible_overlap = parse_double("--visible-overlap", arguments.visible_overlap, 0, 1);
  run.mask_threshold = parse_double("--mask-threshold", arguments.mask_threshold, 0, 1);
  if (run.mask_threshold <= 0 || run.mask_threshold >= 1) {
    fail("--mask-threshold: expected a number between 0 and 1, found \"", arguments.mask_threshold, "\"");
  }
  run.score_mode = arguments.score_mode;
  run.refine = !arguments.no_refine;
  run.apply_orientation = arguments.annotations.empty();
  return settings;
}

// The files of a run. They get their names together, results.json last, so that its presence says the run was finished.
class Outputs {
 public:
  Outputs(const RunArguments& arguments)
      : set_(arguments.output),
        results_(set_.add("results.json")),
        scenes_(set_.add("scenes.json")),
        timings_(set_.add("timings.json")),
        dump_(arguments.dump.empty() ? nullptr : &set_.add_path(arguments.dump)) {}

  void begin(const ModelSummary& model, const RunSettings& settings, const MachineSummary& machine) {
    results_.append(results_begin());
    scenes_.append(scenes_begin(model, settings));
    timings_.append(timings_begin(model, machine));
  }
  void add(const Scene& scene) {
    results_.append(results_entries(scene, objects_ == 0));
    scenes_.append(scenes_entry(scene, images_ == 0));
    timings_.append(timings_entry(scene, images_ == 0));
    objects_ += scene.objects.size();
    ++images_;
  }
  void add_overlay(const std::string& name, const Image& image) {
    PendingFile& file = set_.add(name + ".overlay.png");
    file.append(encode_png(image));
    file.finish();
  }
  PendingFile* dump() { return dump_; }
  void commit() {
    results_.append(results_end());
    scenes_.append(scenes_end());
    timings_.append(timings_end());
    set_.commit();
  }

 private:
  OutputSet set_;
  PendingFile& results_;
  PendingFile& scenes_;
  PendingFile& timings_;
  PendingFile* dump_;
  size_t images_ = 0, objects_ = 0;
};

void write_dump(PendingFile* file, const sln_engine* engine, const ModelSummary& model, const Scene& scene) {
  std::vector<DumpTensor> tensors;
  for (const sln_tensor_info& info : captured_tensors(engine)) {
    tensors.push_back({info.name, std::vector<int64_t>(info.dims, info.dims + info.rank), info.data});
  }
  if (tensors.empty()) fail(file->path(), ": expected stage tensors to dump, found none");
  write_safetensors(file, {{"file", scene.file}, {"config_sha256", model.config_sha256}, {"weights", model.weights}},
                    tensors);
  file->finish();
}

Scene run_image(sln_engine* engine, sln_result* result, const InputImage& input, const LoadedImage& loaded,
                bool level_masks) {
  const Image& image = loaded.image;
  const auto begin = std::chrono::steady_clock::now();
  const sln_status status = sln_engine_run(engine, image.rgb.data(), image.width, image.height,
                                           3 * static_cast<ptrdiff_t>(image.width), result);
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  if (status != SLN_OK) fail(input.path, ": expected the engine to run, found: ", sln_last_error());
  Scene scene = scene_of(engine, result, level_masks);
  scene.file = input.file;
  scene.image_id = input.image_id;
  scene.orientation = image.orientation;
  scene.decode_seconds = loaded.seconds;
  scene.run_seconds = seconds;
  return scene;
}

std::string outcome(const Scene& scene) {
  const size_t count = scene.objects.size();
  return text(count, count == 1 ? " object, " : " objects, ", fixed(scene.run_seconds, 2), " s");
}

// Returns how many images failed.
int run_all(const RunArguments& arguments, const std::vector<InputImage>& inputs, const ModelSummary& model,
            sln_engine* engine, bool apply_orientation, Outputs* outputs) {
  const RunResult result = create_result();
  const bool untrained = model.weights.rfind("seeded", 0) == 0;
  Progress progress(static_cast<int>(inputs.size()));
  ImageLoader loader(inputs, apply_orientation);
  int failed = 0;
  for (const InputImage& input : inputs) {
    LoadedImage loaded = loader.next();
    if (interrupted != 0) fail("expected to finish, found an interruption: nothing was written");
    Scene scene;
    try {
      if (!loaded.problem.empty()) throw Failure(loaded.problem);
      scene = run_image(engine, result.get(), input, loaded, arguments.levels);
    } catch (const Failure& failure) {
      progress.clear();
      print_error(failure.what());
      progress.step(input.file, "failed");
      ++failed;
      continue;
    }
    outputs->add(scene);
    if (outputs->dump() != nullptr) write_dump(outputs->dump(), engine, model, scene);
    if (arguments.overlay) {
      draw_overlay(&loaded.image, scene, untrained);
      outputs->add_overlay(input.name, loaded.image);
    }
    progress.step(input.file, outcome(scene));
  }
  return failed;
}

int run(const RunArguments& arguments) {
  const EngineSettings settings = settings_of(arguments);
  Annotations annotations;
  if (!arguments.annotations.empty()) annotations = read_annotations(arguments.annotations);
  const std::vector<InputImage> inputs =
      collect_inputs(arguments.inputs, arguments.annotations.empty() ? nullptr : &annotations, arguments.annotations);
  if (settings.capture && inputs.size() != 1) fail("--dump: expected exactly one image, found ", inputs.size());
  Model model = open_model(arguments.model);
  Outputs outputs(arguments);
  const Engine engine = create_engine(model.get(), settings);
  const ModelSummary summary = summary_of(model.get());
  model.reset();  // the engine has packed the weights
  const sln_engine_info machine = info_of(engine.get());
  outputs.begin(summary, settings.run, {machine.device, machine.isa, machine.threads});
  std::signal(SIGINT, [](int) { interrupted = 1; });
  std::signal(SIGTERM, [](int) { interrupted = 1; });
  const int failed = run_all(arguments, inputs, summary, engine.get(), settings.run.apply_orientation, &outputs);
  const int total = static_cast<int>(inputs.size());
  if (failed < total) {
    outputs.commit();
    print(text(total - failed, " of ", total, total == 1 ? " image" : " images", " done: ", arguments.output,
               "/results.json\n"));
  }
  if (failed > 0 && total > 1) print_error(text(failed, " of ", total, " images failed"));
  return failed == 0 ? kExitDone : kExitSomeFailed;
}

}  // namespace

void add_run(CLI::App* app, int* status) {
  auto arguments = std::make_shared<RunArguments>();
  CLI::App* command = app->add_subcommand("run", "Find the objects in images");
  command->add_option("-m,--model", arguments->model, "Weight blob written by sln import")->required();
  command->add_option("-o,--output", arguments->output, "Folder for results.json, scenes.json, timings.json, overlays")
      ->required();
  command->add_option("--device", arguments->device, "auto, cpu or cuda")
      ->check(CLI::IsMember({"auto", "cpu", "cuda"}));
  command->add_option("--threads", arguments->threads,
                      "Threads of the engine, 1 to 256 (default: the machine's cores)");
  command->add_option("--score", arguments->score, "Least objectness of a box, 0 to 1 (default 0.5; with --dump 0)");
  command->add_option("--nms", arguments->nms, "Mask IoU above which the weaker object is dropped; 1 drops none")
      ->capture_default_str();
  command
      ->add_option("--visible-overlap", arguments->visible_overlap,
                   "Share of its visible part above which an object is dropped, if kept ones of higher scores show it;"
                   " 1 drops none")
      ->capture_default_str();
  command
      ->add_option("--score-mode", arguments->score_mode,
                   "Score written: mask (objectness times mean confidence) or objectness")
      ->check(CLI::IsMember({"mask", "objectness"}))
      ->capture_default_str();
  command
      ->add_option("--mask-threshold", arguments->mask_threshold, "Confidence above which a pixel belongs to an object")
      ->capture_default_str();
  command->add_flag("--levels", arguments->levels, "Also write the mask of every visibility level, which order needs");
  command->add_flag("--no-refine", arguments->no_refine, "Decode the planes as they are before the refinement");
  command->add_flag("--overlay", arguments->overlay, "Also write one picture per image, NAME.overlay.png");
  command->add_option("--dump", arguments->dump, "Also write the stage tensors of the one image, as .safetensors");
  command->add_option("--annotations", arguments->annotations,
                      "COCO file that gives the image ids; EXIF orientation is then ignored");
  command->add_option("inputs", arguments->inputs, "Images, folders, or text files (.txt) of paths")->required();
  command->callback([arguments, status] { *status = run(*arguments); });
}

}  // namespace sln::apps
