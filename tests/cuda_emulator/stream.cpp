#include "tests/cuda_emulator/stream.h"

#include <cstddef>
#include <cstdint>
#include <mutex>
#include <set>

namespace emulator {
namespace {

std::mutex mutex;
std::set<cudaStream_t> streams;  // under mutex
uintptr_t made = 0;              // under mutex

}  // namespace

// A number and no address: what was destroyed never becomes another stream.
cudaStream_t make_stream() {
  const std::lock_guard<std::mutex> lock(mutex);
  made += alignof(std::max_align_t);
  return *streams.insert(reinterpret_cast<cudaStream_t>(made)).first;
}

bool destroy_stream(cudaStream_t stream) {
  const std::lock_guard<std::mutex> lock(mutex);
  return streams.erase(stream) != 0;
}

bool is_stream(cudaStream_t stream) {
  const std::lock_guard<std::mutex> lock(mutex);
  return stream == nullptr || streams.count(stream) != 0;
}

}  // namespace emulator
