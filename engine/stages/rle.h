// COCO run lengths: column-major, alternately zeros and ones, beginning with the zeros.
#pragma once

#include <cstdint>
#include <string>

#include "engine/result.h"

namespace sln {

// Builds the runs of one mask from the places where it changes.
class RunBuilder {
 public:
  explicit RunBuilder(Runs& runs) : runs_(runs) { runs_.clear(); }

  // The pixels from `position` on, in column-major order, are `one`; positions never fall. A change that is taken back
  // at the same position (the foot of one column and the head of the next) leaves no run.
  void set(bool one, int64_t position) {
    if (one == one_) return;
    one_ = one;
    if (position == last_ && !runs_.empty()) {
      last_ -= runs_.back();
      runs_.pop_back();
    } else {
      runs_.push_back(static_cast<uint32_t>(position - last_));
      last_ = position;
    }
  }

  // Ends the mask after `pixels` pixels.
  void finish(int64_t pixels) {
    if (pixels > last_ || runs_.empty()) runs_.push_back(static_cast<uint32_t>(pixels - last_));
  }

 private:
  Runs& runs_;
  bool one_ = false;
  int64_t last_ = 0;  // where the run at work began
};

// Writes the compressed text of COCO into text.
void compress_runs(const Runs& runs, std::string& text);

}  // namespace sln
