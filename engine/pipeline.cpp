#include "engine/pipeline.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <thread>
#include <utility>

#include "engine/error.h"

namespace sln {
namespace {

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

}  // namespace

Pipeline::Pipeline(const Blob& blob, const Options& options)
    : config_(blob.config()),
      options_(options),
      backend_(make_backend(options.device, resolve_threads(options.threads))),
      layers_(pack_layers(blob, *backend_)),
      anchors_(make_anchors(config_)),
      arena_(arena_mode()) {
  if (!options.refine && config_.network != "sln")
    fail(ErrorKind::kUnsupported, "option refine: expected 1, since the network ", config_.network,
         " has no refinement, found 0");
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
  StageWatch watch(stages_, context, options_.capture && result != nullptr ? &capture_ : nullptr);
  const Prediction found =
      config_.network == "sln" ? sln_page(context, image, watch) : arcnn_page(context, image, watch);
  if (result != nullptr) decode_into(image, found, *result);
  watch.end("decode");
}

// The page of `network` "sln".
Prediction Pipeline::sln_page(Context& context, const Image& image, StageWatch& watch) {
  Prediction out;
  Canvas canvas = preprocess(context, image);
  out.scaled_w = canvas.scaled_w;
  out.scaled_h = canvas.scaled_h;
  watch.end("preprocess");
  watch.keep("canvas", canvas.map.view);

  Features features = encoder(context, layers_.encoder, std::move(canvas));
  watch.end("encoder");
  watch.keep("features", features.map.view);

  const GlobalLayers global = glm(context, layers_.glm, features);
  watch.end("glm");
  watch.keep("global_layers", global.view);

  const RpnMaps maps = rpn(context, layers_.rpn, features_and_layers(features, global));
  watch.end("rpn");
  watch.keep("rpn_objectness", maps.objectness.view);
  watch.keep("rpn_deltas", maps.deltas.view);

  out.boxes = proposals(context, anchors_, static_cast<float>(options_.score_threshold), maps);
  watch.end("proposals");
  watch.keep([&](Capture& capture) { capture_boxes(out.boxes, capture); });

  const RoiFeatures rois = roi_align(context, features_and_layers(features, global), out.boxes, 1);
  features = Features();  // its memory serves the heads
  watch.end("roi_align");

  const InstanceLayers instance = ilm(context, layers_.ilm, rois);
  watch.end("ilm");
  watch.keep("instance_layers", instance.probabilities.view, true);

  out.semdist = options_.refine ? refine(context, layers_.refine, rois, instance) : unrefined(context, instance);
  watch.end("refine");
  watch.keep([&](Capture& capture) { capture_semdist(config_, out.semdist, capture); });
  return out;
}

void capture_boxes(const Boxes& boxes, Capture& capture) {
  capture.floats("boxes", {boxes.count, 4}, boxes.boxes.floats());
  capture.floats("scores", {boxes.count}, boxes.scores.floats());
  capture.integers("anchor_index", {boxes.count}, static_cast<const int32_t*>(boxes.anchor_index.data()));
}

void capture_semdist(const Config& config, const SemDist& semdist, Capture& capture) {
  const int p = config.roi_side;
  capture.floats("layers", {semdist.count, config.layers + 1, p, p}, semdist.layers.floats());
  capture.floats("confidence", {semdist.count, p, p}, semdist.confidence.floats());
  capture.integers("level", {semdist.count, p, p}, static_cast<const uint8_t*>(semdist.level.data()));
}

void Pipeline::decode_into(const Image& image, const Prediction& found, Result& result) {
  const Boxes& boxes = found.boxes;
  const SemDist& semdist = found.semdist;
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
  input.scaled_w = found.scaled_w;
  input.scaled_h = found.scaled_h;
  input.canvas_side = config_.side;
  input.threshold = static_cast<float>(options_.mask_threshold);
  input.mask_nms = options_.mask_nms;
  input.visible_overlap = options_.visible_overlap;
  input.score_mode = options_.score_mode;
  input.level_masks = options_.level_masks;
  decode(input, decode_workspace_, backend_->host_pool(), result);
}

}  // namespace sln
