// sln import: an ONNX file becomes a weight blob, on demand only after the whole chain was run and compared.
#include "importer/importer.h"

#include <algorithm>
#include <memory>

#include "apps/commands.h"
#include "apps/failure.h"
#include "apps/files.h"
#include "apps/handles.h"
#include "apps/numbers.h"
#include "apps/progress.h"

namespace sln::apps {
namespace {

struct ImportArguments {
  std::string onnx, output, threads;
  bool verify = false;
};

// Every stage tensor of the engine's run on the probe canvas, with all proposals.
std::vector<Tensor> run_engine(const std::string& blob, const Config& config, int threads) {
  const Model model = open_model(blob);
  EngineSettings settings;
  settings.threads = threads;
  settings.capture = true;
  settings.run.score_threshold = 0;
  const Engine engine = create_engine(model.get(), settings);
  const RunResult result = create_result();
  check(sln_engine_run_canvas(engine.get(), probe_canvas(config).data.data(), result.get()));
  std::vector<Tensor> tensors;
  for (const sln_tensor_info& info : captured_tensors(engine.get())) {
    Tensor tensor;
    tensor.name = info.name;
    tensor.dims.assign(info.dims, info.dims + info.rank);
    int64_t count = 1;
    for (int64_t dim : tensor.dims) count *= dim;
    if (count > 0) tensor.data.assign(info.data, info.data + count);
    tensors.push_back(std::move(tensor));
  }
  return tensors;
}

void verify(const ImportArguments& arguments, const std::string& blob, int threads) {
  print("evaluating the ONNX graph in double precision; this can take minutes\n");
  std::fflush(stdout);
  const ReferenceRun reference = reference_run(arguments.onnx, threads);
  const VerifyReport report = compare_stages(reference, run_engine(blob, reference.config, threads));
  print(format_report(report));
  if (report.passed) return;
  const auto failed =
      std::count_if(report.checks.begin(), report.checks.end(), [](const StageCheck& c) { return !c.passed; });
  fail(arguments.onnx, ": expected engine, ONNX graph and fingerprint to agree, found ", failed, " of ",
       report.checks.size(), " checks outside of their limits; no blob was written");
}

int import(const ImportArguments& arguments) {
  const int threads =
      arguments.threads.empty() ? 0 : static_cast<int>(parse_int("--threads", arguments.threads, 1, 256));
  // The blob gets its name last, so that one that was to be verified and failed is not there.
  PendingFile blob(arguments.output);
  try {
    ImportReport report = import_onnx(arguments.onnx, blob.temporary());
    report.blob_path = arguments.output;
    print(format_report(report));
    if (arguments.verify) verify(arguments, blob.temporary(), threads);
  } catch (const std::exception& error) {
    std::string what = error.what();  // speak of the file that was asked for
    for (size_t at = what.find(blob.temporary()); at != std::string::npos; at = what.find(blob.temporary())) {
      what.replace(at, blob.temporary().size(), arguments.output);
    }
    throw Failure(what);
  }
  blob.commit();
  return kExitDone;
}

}  // namespace

void add_import(CLI::App* app, int* status) {
  auto arguments = std::make_shared<ImportArguments>();
  CLI::App* command = app->add_subcommand("import", "Turn an ONNX file into a weight blob");
  command->add_option("onnx", arguments->onnx, "ONNX file written by python3 -m models.export")->required();
  command->add_option("-o,--output", arguments->output, "Blob to write (.safetensors)")->required();
  command->add_flag(
      "--verify", arguments->verify,
      "Also run graph and engine on the probe canvas and compare them with each other and the fingerprint");
  command->add_option("--threads", arguments->threads,
                      "Threads of the verification, 1 to 256 (default: the machine's cores)");
  command->callback([arguments, status] { *status = import(*arguments); });
}

}  // namespace sln::apps
