// The three JSON files of a run, written image by image.
//
// results.json and scenes.json depend on the images, the model and the options alone: no times, no thread count, no
// instruction set, no absolute path. Everything of that kind is in timings.json.
#pragma once

#include <cstdint>
#include <string>

#include "apps/scene.h"

namespace sln::apps {

// The options that decide the results.
struct RunSettings {
  double score_threshold = 0.5;
  double mask_nms = 0.6;
  double visible_overlap = 1;
  double mask_threshold = 0.5;
  std::string score_mode = "mask";
  bool refine = true;
  bool apply_orientation = true;
};

struct ModelSummary {
  std::string version;  // of sln
  std::string config_sha256;
  std::string source_sha256;  // of the ONNX file
  std::string weights;        // "seeded:N", "trained" or "unknown"
  int side = 0;               // S
  int levels = 0;             // K
};

struct MachineSummary {
  std::string device;
  std::string isa;
  int threads = 0;
};

// A JSON list of one entry per object of every image, the COCO results format with more keys (docs/command-line.md).
// Between begin() and end(), `first` says whether no object has been written yet.
std::string results_begin();
std::string results_entries(const Scene& scene, bool first);
std::string results_end();

std::string scenes_begin(const ModelSummary& model, const RunSettings& settings);
std::string scenes_entry(const Scene& scene, bool first);
std::string scenes_end();

std::string timings_begin(const ModelSummary& model, const MachineSummary& machine);
std::string timings_entry(const Scene& scene, bool first);
std::string timings_end();

}  // namespace sln::apps
