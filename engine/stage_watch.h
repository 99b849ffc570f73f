// Times the stages of one run, counts their work, and copies their tensors where the run is captured.
#pragma once

#include <chrono>
#include <vector>

#include "engine/capture.h"
#include "engine/stages/context.h"

namespace sln {

struct StageTime {
  const char* name = "";
  double seconds = 0;  // wall time in the last run
  int64_t macs = 0;    // in the last run
};

class StageWatch {
 public:
  // Writes into `table` in the order in which the stages end; it grows in the first run only. capture may be null.
  StageWatch(std::vector<StageTime>& table, Context& context, Capture* capture)
      : table_(table), context_(context), capture_(capture), begin_(Clock::now()) {}

  void end(const char* name) {
    const StageTime stage = {name, std::chrono::duration<double>(Clock::now() - begin_).count(), context_.macs};
    if (next_ == table_.size()) table_.emplace_back();
    table_[next_++] = stage;
    context_.macs = 0;
    begin_ = Clock::now();
  }

  // Calls body(capture) where the run is captured. The time it takes belongs to no stage.
  template <typename Body>
  void keep(const Body& body) {
    if (capture_ != nullptr) body(*capture_);
    begin_ = Clock::now();
  }
  void keep(const char* name, const MapView& map, bool per_roi = false) {
    keep([&](Capture& capture) { capture.pixels(name, map, per_roi); });
  }

 private:
  using Clock = std::chrono::steady_clock;
  std::vector<StageTime>& table_;
  Context& context_;
  Capture* capture_;
  Clock::time_point begin_;
  size_t next_ = 0;
};

}  // namespace sln
