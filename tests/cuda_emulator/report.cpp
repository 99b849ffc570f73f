#include "tests/cuda_emulator/report.h"

#include <cstdio>
#include <cstring>
#include <mutex>

#include "emulator/control.h"
#include "tests/cuda_emulator/order.h"

namespace emulator {
namespace {

struct State {
  std::string report;
  cudaError_t sticky = cudaSuccess;
};
std::mutex mutex;
State state;  // under mutex
thread_local cudaError_t last_error = cudaSuccess;

}  // namespace

bool same_place(Site a, Site b) {
  return a.line == b.line && (a.file == b.file || std::strcmp(a.file, b.file) == 0);
}

std::string text_of(Site site) {
  if (site.file == nullptr) return "an unknown line";
  const char* const slash = std::strrchr(site.file, '/');
  return std::string(slash == nullptr ? site.file : slash + 1) + ":" + std::to_string(site.line);
}

std::string text_of(const uint3& place) {
  return "(" + std::to_string(place.x) + "," + std::to_string(place.y) + "," + std::to_string(place.z) + ")";
}

std::string hex(unsigned value) {
  char text[16];
  std::snprintf(text, sizeof text, "0x%08x", value);
  return text;
}

const char* name_of(Primitive primitive) {
  static const char* const kNames[] = {"__syncthreads", "__syncthreads_count", "__syncthreads_or", "__syncthreads_and",
                                       "__syncwarp",    "__ballot_sync",       "__any_sync",       "__all_sync",
                                       "__shfl_sync",   "__shfl_xor_sync",     "__shfl_up_sync",   "__shfl_down_sync"};
  return kNames[static_cast<int>(primitive)];
}

void report(const std::string& text) {
  const std::string whole = text + " [EMU_ORDER=" + current_order().text() + "]";
  const std::lock_guard<std::mutex> lock(mutex);
  state.report = whole;
  std::fprintf(stderr, "CUDA emulator: %s\n", whole.c_str());
}

std::string last_report() {
  const std::lock_guard<std::mutex> lock(mutex);
  return state.report;
}

void make_sticky(cudaError_t error) {
  const std::lock_guard<std::mutex> lock(mutex);
  state.sticky = error;
}

cudaError_t sticky_error() {
  const std::lock_guard<std::mutex> lock(mutex);
  return state.sticky;
}

void reset() {
  const std::lock_guard<std::mutex> lock(mutex);
  state = State();
  last_error = cudaSuccess;
}

cudaError_t remember(cudaError_t error) {
  if (error != cudaSuccess) last_error = error;
  return error;
}

cudaError_t refuse(const std::string& what, cudaError_t error) {
  report(what);
  return remember(error);
}

}  // namespace emulator

cudaError_t cudaPeekAtLastError() {
  const cudaError_t sticky = emulator::sticky_error();
  return sticky != cudaSuccess ? sticky : emulator::last_error;
}

cudaError_t cudaGetLastError() {
  const cudaError_t error = cudaPeekAtLastError();
  emulator::last_error = cudaSuccess;
  return error;
}
