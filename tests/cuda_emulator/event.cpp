// Events. What is enqueued is done at once, so an event is a moment of the host's clock.
#include <chrono>

#include "emulator/runtime_api.h"
#include "tests/cuda_emulator/report.h"
#include "tests/cuda_emulator/stream.h"

struct CUevent_st {
  using Clock = std::chrono::steady_clock;
  bool recorded = false;
  Clock::time_point at;
};

namespace {

// The error of a call with these events, or with what is none.
cudaError_t fault_of(cudaEvent_t event) {
  if (emulator::sticky_error() != cudaSuccess) return emulator::sticky_error();
  return event == nullptr ? cudaErrorInvalidResourceHandle : cudaSuccess;
}

}  // namespace

cudaError_t cudaEventCreate(cudaEvent_t* event) {
  if (emulator::sticky_error() != cudaSuccess) return emulator::remember(emulator::sticky_error());
  *event = new CUevent_st;
  return cudaSuccess;
}

// Destroys even when the context is lost: the emulator's process goes on.
cudaError_t cudaEventDestroy(cudaEvent_t event) {
  const cudaError_t error = fault_of(event);
  delete event;
  return emulator::remember(error);
}

cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream) {
  const cudaError_t error = fault_of(event);
  if (error != cudaSuccess) return emulator::remember(error);
  if (!emulator::is_stream(stream)) return emulator::refuse("no such stream", cudaErrorInvalidResourceHandle);
  event->recorded = true;
  event->at = CUevent_st::Clock::now();
  return cudaSuccess;
}

cudaError_t cudaEventElapsedTime(float* milliseconds, cudaEvent_t from, cudaEvent_t to) {
  for (const cudaEvent_t event : {from, to}) {
    const cudaError_t error = fault_of(event);
    if (error != cudaSuccess) return emulator::remember(error);
    if (!event->recorded) return emulator::refuse("an event that was not recorded", cudaErrorInvalidResourceHandle);
  }
  *milliseconds = std::chrono::duration<float, std::milli>(to->at - from->at).count();
  return cudaSuccess;
}
