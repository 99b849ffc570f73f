// The network, whole: one image in, one result out.
#pragma once

#include <array>
#include <memory>
#include <string>
#include <vector>

#include "engine/blob.h"
#include "engine/capture.h"
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
  double mask_threshold = 0.5;  // c
  ScoreMode score_mode = ScoreMode::kMask;
  bool level_masks = false;  // also the masks of every level
  bool refine = true;        // false: decode the planes as the ILM has them
};

struct StageTime {
  const char* name = "";
  double seconds = 0;  // wall time in the last run
  int64_t macs = 0;    // in the last run
};

constexpr size_t kStages = 9;

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
  const std::array<StageTime, kStages>& stages() const { return stages_; }
  const Capture& capture() const { return capture_; }

 private:
  void forward(Context& context, const Image& image, Result* result);
  void capture_boxes(const Boxes& boxes);
  void capture_semdist(const SemDist& semdist);
  void decode_into(const Image& image, int scaled_w, int scaled_h, const Boxes& boxes, const SemDist& semdist,
                   Result& result);

  Config config_;
  Options options_;
  std::unique_ptr<Backend> backend_;
  Layers layers_;
  std::vector<float> anchors_;
  Arena arena_;
  DecodeWorkspace decode_workspace_;
  Capture capture_;
  std::array<StageTime, kStages> stages_;
};

}  // namespace sln
