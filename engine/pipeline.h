// The network, whole: one image in, one result out.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "engine/blob.h"
#include "engine/capture.h"
#include "engine/stage_watch.h"
#include "engine/stages/decode.h"
#include "engine/stages/layers.h"
#include "engine/stages/preprocess.h"

namespace sln {

struct Options {
  std::string device = "auto";
  int threads = 0;  // 0: all cores
  bool capture = false;
  double score_threshold = 0.5;  // objectness
  double mask_nms = 0.6;
  double visible_overlap = 1;
  double mask_threshold = 0.5;  // c
  ScoreMode score_mode = ScoreMode::kMask;
  bool level_masks = false;  // also the masks of every level
  bool refine = true;        // false: decode the planes as the ILM has them
};

// What a network's page hands to decode.
struct Prediction {
  Boxes boxes;
  SemDist semdist;
  int scaled_w = 0, scaled_h = 0;  // of the image on the canvas, pixels
};

// Belongs to one thread at a time.
class Pipeline {
 public:
  // Packs the weights and plans the arena. The blob is not kept.
  Pipeline(const Blob& blob, const Options& options);

  // Fills result anew. Nothing is allocated but what result and decode's scratch need for a larger image than ever
  // before.
  void run(const Image& image, Result& result);

  const Config& config() const { return config_; }
  Backend& backend() const { return *backend_; }
  int threads() const { return backend_->host_pool().threads(); }
  int64_t arena_bytes() const { return static_cast<int64_t>(arena_.bytes()); }
  int64_t packed_bytes() const { return layers_.packed_bytes; }
  const std::vector<StageTime>& stages() const { return stages_; }  // the network's, in order
  const Capture& capture() const { return capture_; }

 private:
  void forward(Context& context, const Image& image, Result* result);
  // The networks, one page each, chosen by config.network.
  Prediction sln_page(Context& context, const Image& image, StageWatch& watch);
  Prediction arcnn_page(Context& context, const Image& image, StageWatch& watch);  // pipeline_arcnn.cpp
  void decode_into(const Image& image, const Prediction& found, Result& result);

  Config config_;
  Options options_;
  std::unique_ptr<Backend> backend_;
  Layers layers_;
  std::vector<float> anchors_;
  Arena arena_;
  DecodeWorkspace decode_workspace_;
  Capture capture_;
  std::vector<StageTime> stages_;
};

// For the pages.
void capture_boxes(const Boxes& boxes, Capture& capture);
void capture_semdist(const Config& config, const SemDist& semdist, Capture& capture);

}  // namespace sln
