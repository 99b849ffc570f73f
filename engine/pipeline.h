// The network, whole: images in, results out.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "engine/decode_options.h"
#include "engine/model.h"
#include "engine/page.h"
#include "engine/stages/decode.h"
#include "kernels/cpu/parallel.h"

namespace sln {

struct Options {
  std::string device = "auto";
  int threads = 0;               // of the host, 0: all cores
  bool capture = false;          // keep the stages' tensors; one image at a time then
  double score_threshold = 0.5;  // objectness
  bool refine = true;            // false: decode the planes as the ILM has them
  DecodeOptions decode;
};

struct StageTime {
  const char* name = "";
  double seconds = 0;  // in the device's time; decode's in the host's
  int64_t macs = 0;
};

// Belongs to one thread at a time.
class Pipeline {
 public:
  // Packs the weights, unless another engine of the model has, and plans the arena.
  Pipeline(const Model& model, const Options& options) : Pipeline(model, options, open_device(options.device)) {}
  Pipeline(const Model& model, const Options& options, std::shared_ptr<Device> device);
  // What is under way is waited for first: it works in memory that goes next.
  ~Pipeline() { backend_.reset(); }

  // Sends an image on its way; its pixels are free when this returns. Fails where flights() are under way. What goes
  // wrong on the way is told by collect().
  void submit(const Image& image);
  // Waits for the image that was submitted first of those under way, and fills result anew. Nothing is allocated but
  // what result and decode's scratch need for a larger image than ever before. Throws what went wrong with this image.
  void collect(Result& result);
  // Both. Fails where an image is under way.
  void run(const Image& image, Result& result);

  int flights() const { return static_cast<int>(flights_.size()); }
  int under_way() const { return static_cast<int>(submitted_ - collected_); }

  const Config& config() const { return config_; }
  const Device& device() const { return *packed_->device; }
  double measure_peak_flops() const { return backend_->measure_peak_flops(); }
  int threads() const { return pool_.threads(); }
  int64_t arena_bytes() const { return static_cast<int64_t>(arena_.bytes()); }
  int64_t packed_bytes() const { return static_cast<int64_t>(packed_->memory.bytes()); }
  // Of the image last collected: the network's stages in order, and what was captured.
  const std::vector<StageTime>& stages() const { return stages_; }
  const std::vector<Tensor>& captured() const { return captured_; }

 private:
  void forward(const Image& image, Flight& flight);
  // The networks, one page each.
  FoundBlock page_of(Page& page, const Image& photo);
  FoundBlock sln_page(Page& page, const Image& photo);
  FoundBlock arcnn_page(Page& page, const Image& photo);  // pipeline_arcnn.cpp
  void tell_times(const Flight& flight, int rois, double decode_seconds);

  Config config_;
  Options options_;
  cpu::ThreadPool pool_;
  std::shared_ptr<const PackedLayers> packed_;
  std::unique_ptr<Backend> backend_;
  Arena arena_;
  std::vector<Flight> flights_;
  size_t submitted_ = 0, collected_ = 0;  // images so far
  DecodeWorkspace decode_workspace_;
  std::vector<StageTime> stages_;
  std::vector<Tensor> captured_;
};

}  // namespace sln
