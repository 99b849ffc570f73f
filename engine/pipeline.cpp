#include "engine/pipeline.h"

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <thread>
#include <utility>

#include "engine/error.h"

namespace sln {
namespace {

using Clock = std::chrono::steady_clock;

int resolve_threads(int threads) {
  if (threads > 0) return threads;
  const unsigned cores = std::thread::hardware_concurrency();
  return cores == 0 ? 1 : static_cast<int>(std::min(cores, 256u));
}

Arena::Mode arena_mode() {
  const char* mode = std::getenv("SLN_ARENA");
  if (mode == nullptr || std::strcmp(mode, "packed") == 0) return Arena::Mode::kPacked;
  if (std::strcmp(mode, "guard") == 0) return Arena::Mode::kGuard;
  fail(ErrorKind::kInvalidArgument, "SLN_ARENA: expected packed or guard, found '", mode, "'");
}

// Writes each stage's wall time and work into the table, in the order in which the stages end.
class StageClock {
 public:
  StageClock(std::array<StageTime, kStages>& table, Context& context)
      : table_(table), context_(context), begin_(Clock::now()) {}
  void end(const char* name) {
    const Clock::time_point now = Clock::now();
    table_[next_++] = {name, std::chrono::duration<double>(now - begin_).count(), context_.macs};
    begin_ = now;
    context_.macs = 0;
  }
  // Begins anew, so that what lies between belongs to no stage (capturing).
  void restart() { begin_ = Clock::now(); }

 private:
  std::array<StageTime, kStages>& table_;
  Context& context_;
  Clock::time_point begin_;
  size_t next_ = 0;
};

}  // namespace

Pipeline::Pipeline(const Blob& blob, const Options& options)
    : config_(blob.config()),
      options_(options),
      backend_(make_backend(options.device, resolve_threads(options.threads))),
      layers_(pack_layers(blob, *backend_)),
      anchors_(make_anchors(config_)),
      arena_(arena_mode()) {
  const std::unique_ptr<Backend> dry = make_dry_backend(*backend_, config_.max_rois);
  Context context{config_, *dry, arena_};
  Image image;
  image.width = image.height = config_.side;
  forward(context, image, nullptr);
  arena_.plan();
}

void Pipeline::run(const Image& image, Result& result) {
  capture_.clear();
  arena_.rewind();
  Context context{config_, *backend_, arena_};
  forward(context, image, &result);
}

// result is null while the arena records.
void Pipeline::forward(Context& context, const Image& image, Result* result) {
  const bool capturing = options_.capture && result != nullptr;
  StageClock clock(stages_, context);
  const auto keep = [&](const char* name, const MapView& map, bool per_roi) {
    if (capturing) capture_.pixels(name, map, per_roi);
    clock.restart();
  };

  Canvas canvas = preprocess(context, image);
  clock.end("preprocess");
  keep("canvas", canvas.map.view, false);
  const int scaled_w = canvas.scaled_w;
  const int scaled_h = canvas.scaled_h;

  Features features = encoder(context, layers_.encoder, std::move(canvas));
  clock.end("encoder");
  keep("features", features.map.view, false);

  const GlobalLayers global = glm(context, layers_.glm, features);
  clock.end("glm");
  keep("global_layers", global.view, false);

  const RpnMaps maps = rpn(context, layers_.rpn, features, global);
  clock.end("rpn");
  keep("rpn_objectness", maps.objectness.view, false);
  keep("rpn_deltas", maps.deltas.view, false);

  const Boxes boxes = proposals(context, anchors_, static_cast<float>(options_.score_threshold), maps);
  clock.end("proposals");
  if (capturing) capture_boxes(boxes);
  clock.restart();

  const RoiFeatures rois = roi_align(context, features, global, boxes);
  features = Features();  // its memory serves the heads
  clock.end("roi_align");

  const InstanceLayers instance = ilm(context, layers_.ilm, rois);
  clock.end("ilm");
  keep("instance_layers", instance.probabilities.view, true);

  const SemDist semdist =
      options_.refine ? refine(context, layers_.refine, rois, instance) : unrefined(context, instance);
  clock.end("refine");
  if (capturing) capture_semdist(semdist);
  clock.restart();

  if (result != nullptr) decode_into(image, scaled_w, scaled_h, boxes, semdist, *result);
  clock.end("decode");
}

void Pipeline::capture_boxes(const Boxes& boxes) {
  capture_.floats("boxes", {boxes.count, 4}, boxes.boxes.floats());
  capture_.floats("scores", {boxes.count}, boxes.scores.floats());
  capture_.integers("anchor_index", {boxes.count}, static_cast<const int32_t*>(boxes.anchor_index.data()));
}

void Pipeline::capture_semdist(const SemDist& semdist) {
  const int p = config_.roi_side;
  capture_.floats("layers", {semdist.count, config_.layers + 1, p, p}, semdist.layers.floats());
  capture_.floats("confidence", {semdist.count, p, p}, semdist.confidence.floats());
  capture_.integers("level", {semdist.count, p, p}, static_cast<const uint8_t*>(semdist.level.data()));
}

void Pipeline::decode_into(const Image& image, int scaled_w, int scaled_h, const Boxes& boxes, const SemDist& semdist,
                           Result& result) {
  DecodeInput input;
  input.count = boxes.count;
  input.boxes = boxes.boxes.floats();
  input.objectness = boxes.scores.floats();
  input.anchors = static_cast<const int32_t*>(boxes.anchor_index.data());
  input.layers = semdist.layers.floats();
  input.confidence = semdist.confidence.floats();
  input.levels = config_.layers;
  input.roi_side = config_.roi_side;
  input.image_w = image.width;
  input.image_h = image.height;
  input.scaled_w = scaled_w;
  input.scaled_h = scaled_h;
  input.canvas_side = config_.side;
  input.threshold = static_cast<float>(options_.mask_threshold);
  input.mask_nms = options_.mask_nms;
  input.score_mode = options_.score_mode;
  input.level_masks = options_.level_masks;
  decode(input, decode_workspace_, backend_->host_pool(), result);
}

}  // namespace sln
