// The importer's public header: an ONNX file in, a weight blob out, and the numbers that prove the chain between them.
// Plain structs and functions; every failure is an sln::Error whose text names the file, the node where there is one,
// what was expected and what was found.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "engine/config.h"
#include "engine/error.h"
#include "engine/tensor.h"

namespace sln {

// One thing between the layers that has to say what the config says (Resize, NMS, RoiAlign, anchors ...).
struct ImportGlue {
  std::string item;
  std::string detail;       // what was found, or why it could not be read
  bool by_reading = false;  // else only a verification can prove it
};

struct ImportReport {
  std::string onnx_path;
  std::string blob_path;
  std::string config;    // JSON as in the file
  std::string exporter;  // "dynamo 2.9.0"
  std::string weights;   // "seeded:0", "trained", "unknown"
  std::string source_sha256;
  bool has_fingerprint = false;
  int64_t onnx_bytes = 0;  // external data included
  int64_t blob_bytes = 0;
  int nodes = 0;            // in the file
  int layers = 0;           // weight-bearing layers of the blob
  int64_t parameters = 0;   // floats in the blob
  int64_t macs_before = 0;  // multiply-accumulates of one image with all max_rois RoIs, as exported
  int64_t macs_after = 0;   // the same after the rewrites
  std::vector<ImportGlue> glue;
  std::vector<std::string> notes;
};

// Reads, rewrites and matches the graph, writes the blob atomically, re-opens and validates it.
ImportReport import_onnx(const std::string& onnx_path, const std::string& blob_path);

// The report as text, several lines.
std::string format_report(const ImportReport& report);

// ---- Verification ----

// The canvas that every implementation can make for itself, float32 [3,S,S], normalised.
Tensor probe_canvas(const Config& config);

// What an ONNX file computes, in double precision, on the probe canvas.
struct ReferenceRun {
  Config config;
  std::string fingerprint;  // JSON of the file's metadata, "" if absent
  // features [C,S/4,S/4], global_layers [K+1,S/4,S/4], rpn_objectness [A,g,g], rpn_deltas [4A,g,g], boxes [n,4], scores
  // [n], instance_layers, layers [n,K+1,P,P], confidence, level [n,P,P] (global_layers and instance_layers where the
  // network has them), and anchor_index [n] where the box glue could
  // be read (as the engine's capture names them). Debug outputs of the file are not needed.
  std::vector<Tensor> stages;
};

// Evaluates the graph as exported, without any rewrite. threads: 0 for all of the machine's.
ReferenceRun reference_run(const std::string& onnx_path, int threads = 0);

// One comparison of one stage.
struct StageCheck {
  std::string stage;
  std::string pair;        // "engine - onnx", "onnx - fingerprint", "engine - fingerprint"
  int64_t compared = 0;    // values
  double p99 = 0;          // of the absolute differences
  double worst = 0;        // largest absolute difference
  double limit = 0;        // for worst
  double limit_p99 = 0;    // for p99
  int64_t exceptions = 0;  // differences that a near-tie explains
  int64_t exceptions_limit = 0;
  bool passed = false;
  std::string detail;  // of a failure or of exceptions, one line
};

struct VerifyReport {
  std::vector<StageCheck> checks;
  bool has_fingerprint = false;  // else the weights are unproven
  bool passed = false;           // all checks
};

// Compares the reference with the engine's captured tensors, both with the fingerprint where there is one. Boxes are
// matched by anchor_index before the heads are compared. `engine` may be empty: then only the ONNX file is held against
// the fingerprint.
VerifyReport compare_stages(const ReferenceRun& reference, const std::vector<Tensor>& engine);

// The report as text, one line per check.
std::string format_report(const VerifyReport& report);

}  // namespace sln
