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

DecodeInput decode_input(const Config& config, const Flight& flight, const Found& found, const DecodeOptions& options) {
  DecodeInput input;
  input.count = *found.count;
  input.boxes = found.boxes;
  input.objectness = found.scores;
  input.anchors = found.anchor_index;
  input.layers = found.layers;
  input.confidence = found.confidence;
  input.levels = config.layers;
  input.roi_side = config.roi_side;
  input.image_w = flight.image_w;
  input.image_h = flight.image_h;
  input.scaled_w = flight.scaled_w;
  input.scaled_h = flight.scaled_h;
  input.options = options;
  return input;
}

// Before a thread is started and a weight is packed.
const Options& checked(const Options& options, const Config& config) {
  if (!options.refine && !config.network->refinement)
    fail(ErrorKind::kUnsupported, "option refine: expected 1, since the network ", config.network->name,
         " has no refinement, found 0");
  return options;
}

}  // namespace

Pipeline::Pipeline(const Model& model, const Options& options, std::shared_ptr<Device> device)
    : config_(model.blob().config()),
      options_(checked(options, config_)),
      pool_(resolve_threads(options.threads)),
      packed_(model.packed_for(std::move(device))),
      backend_(packed_->device->open(pool_)),
      arena_(arena_mode(), *packed_->device, *backend_),
      flights_(options.capture ? 1 : static_cast<size_t>(backend_->flights())) {
  for (size_t i = 0; i < flights_.size(); ++i) flights_[i].number = static_cast<int>(i);
  Image image;
  image.width = image.height = config_.side;
  Page page({config_, *backend_, arena_}, flights_[0], false);
  page_of(page, image);
  arena_.plan();
  for (const Flight::Stage& stage : flights_[0].stages) stages_.push_back({stage.name, 0, 0});
  stages_.push_back({"decode", 0, 0});
}

void Pipeline::submit(const Image& image) {
  if (under_way() == flights())
    fail(ErrorKind::kInvalidArgument, "images under way on this engine: expected fewer than ", flights(),
         " before a submit, found ", under_way(), ": collect one first");
  Flight& flight = flights_[submitted_ % flights_.size()];
  ++submitted_;
  flight.error = nullptr;
  try {
    forward(image, flight);
  } catch (...) {
    flight.error = std::current_exception();
  }
}

void Pipeline::forward(const Image& image, Flight& flight) {
  flight.image_w = image.width;
  flight.image_h = image.height;
  scaled_size(config_.side, image.width, image.height, flight.scaled_w, flight.scaled_h);
  arena_.rewind();
  Page page({config_, *backend_, arena_}, flight, options_.capture);
  FoundBlock found = page_of(page, image);
  backend_->fetch(flight.number, found.memory.data(), found_bytes(config_));
}

void Pipeline::collect(Result& result) {
  using Clock = std::chrono::steady_clock;
  if (under_way() == 0)
    fail(ErrorKind::kInvalidArgument, "images under way on this engine: expected one to collect, found none");
  Flight& flight = flights_[collected_ % flights_.size()];
  ++collected_;
  for (StageTime& stage : stages_) stage = {stage.name, 0, 0};
  captured_.clear();
  if (flight.error) std::rethrow_exception(std::exchange(flight.error, nullptr));
  const Found found = found_at(config_, backend_->wait(flight.number));
  const Clock::time_point begin = Clock::now();
  decode(decode_input(config_, flight, found, options_.decode), decode_workspace_, pool_, result);
  tell_times(flight, *found.count, std::chrono::duration<double>(Clock::now() - begin).count());
  captured_.swap(flight.captured);
}

void Pipeline::run(const Image& image, Result& result) {
  if (under_way() != 0)
    fail(ErrorKind::kInvalidArgument, "images under way on this engine: expected none before a run, found ",
         under_way(), ": collect first");
  submit(image);
  collect(result);
}

void Pipeline::tell_times(const Flight& flight, int rois, double decode_seconds) {
  for (size_t i = 0; i < flight.stages.size(); ++i) {
    const Flight::Stage& stage = flight.stages[i];
    const int moment = 2 * static_cast<int>(i);
    stages_[i].seconds = backend_->seconds(flight.number, moment, moment + 1);
    stages_[i].macs = stage.work.image + stage.work.per_item * rois;
  }
  stages_.back().seconds = decode_seconds;
}

FoundBlock Pipeline::page_of(Page& page, const Image& photo) {
  switch (config_.network->kind) {
    case NetworkKind::kSln:
      return sln_page(page, photo);
    case NetworkKind::kArcnn:
      return arcnn_page(page, photo);
  }
  fail(ErrorKind::kInternal, "no page for the network");
}

FoundBlock Pipeline::sln_page(Page& page, const Image& photo) {
  const Layers& layers = packed_->layers;
  Canvas canvas = page.stage("preprocess", preprocess(page, photo));
  Features features = page.stage("encoder", encoder(page, layers.encoder, std::move(canvas)));
  const MutableView room = features.room(config_.layers + 1);
  const GlobalLayers global = page.stage("glm", glm(page, layers.glm, features.map.view, room));
  const MapView context = features_and_layers(features, global);
  const RpnMaps maps = page.stage("rpn", rpn(page, layers.rpn, context));
  FoundBlock found = take_found(page);
  const auto threshold = static_cast<float>(options_.score_threshold);
  const Boxes boxes = page.stage("proposals", proposals(page, layers.anchors, threshold, maps, found.at));
  RoiFeatures rois = page.stage("roi_align", roi_align(page, context, boxes, 1));
  features = Features();  // its memory serves the heads
  InstanceLayers instance = page.stage("ilm", ilm(page, layers.ilm, rois.map.view, rois.room(1)));
  instance.probabilities = Map();  // only captures read them
  page.stage("refine", options_.refine ? refine(page, layers.refine, rois, instance, found.at)
                                       : unrefined(page, instance, found.at));
  return found;
}

}  // namespace sln
