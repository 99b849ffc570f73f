// One image's way through a network's stages: marks each stage's end in the device's own time, counts its work, and
// copies what it made where the image is captured. So a network's page is one line an arrow.
#pragma once

#include <exception>
#include <utility>
#include <vector>

#include "engine/capture.h"
#include "engine/stages/context.h"

namespace sln {

// One image under way.
struct Flight {
  int number = 0;                  // the backend's
  int image_w = 0, image_h = 0;    // pixels
  int scaled_w = 0, scaled_h = 0;  // of the image on the canvas, pixels
  struct Stage {
    const char* name;
    Work work;
  };
  std::vector<Stage> stages;  // the i-th lasts from moment 2i to moment 2i + 1
  std::vector<Tensor> captured;
  std::exception_ptr error;  // what went wrong on the way
};

class Page : public Context {
 public:
  // capture: whether what the stages make is copied into the flight.
  Page(const Context& context, Flight& flight, bool capture) : Context(context), flight_(flight), capture_(capture) {
    flight.stages.clear();
    flight.captured.clear();
    mark(0);
  }

  // Ends the stage that made `output`, and gives it on. What capturing takes belongs to no stage.
  template <typename Output>
  Output stage(const char* name, Output output) {
    mark(2 * static_cast<int>(flight_.stages.size()) + 1);
    flight_.stages.push_back({name, std::exchange(work, {})});
    if (capture_) {
      Capture tensors(config, backend, flight_.captured);
      capture(output, tensors);
    }
    mark(2 * static_cast<int>(flight_.stages.size()));
    return output;
  }

 private:
  void mark(int moment) {
    if (!arena.recording()) backend.mark(flight_.number, moment);
  }
  Flight& flight_;
  bool capture_;
};

}  // namespace sln
