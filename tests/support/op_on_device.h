// Runs an op whose buffers lie on the host on the CUDA device that is compiled in: the emulator, in the tests.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <map>
#include <stdexcept>
#include <string>
#include <vector>

#include "kernels/cuda/device_api.cuh"
#include "tests/support/op_spans.h"

namespace sln_test {

inline void require_cuda(cudaError_t error, const char* what) {
  if (error != cudaSuccess) throw std::runtime_error(std::string(what) + ": " + cudaGetErrorString(error));
}

// Device memory with a copy of bytes of the host. It is exactly as large, and aligned exactly as the host's up to the
// largest vector: what is misaligned there shall not happen to be aligned here.
class OnDevice {
 public:
  OnDevice(const void* host, size_t bytes) : lead_(reinterpret_cast<uintptr_t>(host) % kVector), bytes_(bytes) {
    require_cuda(cudaMalloc(&memory_, lead_ + bytes), "cudaMalloc");
    if (cudaMemcpy(data(), host, bytes, cudaMemcpyHostToDevice) == cudaSuccess) return;
    cudaFree(memory_);
    throw std::runtime_error("a copy to the device failed");
  }
  OnDevice(const OnDevice&) = delete;
  OnDevice& operator=(const OnDevice&) = delete;
  ~OnDevice() { cudaFree(memory_); }

  std::byte* data() const { return static_cast<std::byte*>(memory_) + lead_; }
  std::vector<std::byte> host() const {
    std::vector<std::byte> bytes(bytes_);
    require_cuda(cudaMemcpy(bytes.data(), data(), bytes_, cudaMemcpyDeviceToHost), "a copy from the device");
    return bytes;
  }

 private:
  static constexpr size_t kVector = 16;  // bytes
  void* memory_ = nullptr;
  size_t lead_;
  size_t bytes_;
};

// Runs `run`, which takes the op with pointers of the device and enqueues it, and returns its cudaError_t, or the
// device's. The host's memory is then as the device's. Throws what `run` throws, and as bring_back().
template <typename Op, typename Run>
int run_on_device(const Op& op, const Run& run) {
  return run_on_spans<OnDevice>(op, [&](const Op& moved) -> int {
    const int error = run(moved);
    return error != cudaSuccess ? error : cudaDeviceSynchronize();
  });
}

// As run_on_device(), with all spans of the op, and the scratch behind them, in one allocation at multiples of 64 bytes
// (or as misaligned as the host's), as an arena packs them. Throws, too, where a byte between them was written.
// `run` takes the op and the scratch, which is filled with 0xFF.
template <typename Op, typename Run>
int run_packed_on_device(Op op, size_t scratch_bytes, const Run& run) {
  struct Place {
    std::byte* at;
    std::byte* data() const { return at; }
  };
  const Spans spans = Spans::of(op);
  constexpr size_t kGap = sln::kAlignment;  // behind the last one, too
  size_t all = 0;
  std::map<uintptr_t, size_t> offsets;
  each_buffer(op, [&](const auto* pointer, const sln::Rows&) {  // in the op's order, whatever the host's is
    const uintptr_t begin = spans.begin_of(pointer);
    if (begin == 0 || offsets.count(begin) != 0) return;
    offsets[begin] = all + begin % sln::kAlignment;
    all = sln::aligned(offsets[begin] + spans.ends().at(begin) - begin);
  });
  const size_t scratch_at = all;
  all += sln::aligned(scratch_bytes) + kGap;

  std::vector<std::byte> before(all);
  for (size_t i = 0; i < all; ++i) before[i] = static_cast<std::byte>(0x5A + i * 7);
  for (const auto& [begin, offset] : offsets)
    std::memcpy(&before[offset], reinterpret_cast<const void*>(begin), spans.ends().at(begin) - begin);
  std::fill_n(before.begin() + static_cast<ptrdiff_t>(scratch_at), scratch_bytes, std::byte{0xFF});
  const OnDevice block(before.data(), all);
  std::map<uintptr_t, Place> places;
  for (const auto& [begin, offset] : offsets) places[begin] = {block.data() + offset};
  const int error = run(moved_to(places, spans, op), block.data() + scratch_at);
  if (error != cudaSuccess) return error;
  if (const cudaError_t late = cudaDeviceSynchronize(); late != cudaSuccess) return late;

  std::vector<std::byte> after = block.host();
  std::map<uintptr_t, std::vector<std::byte>> now;
  for (const auto& [begin, offset] : offsets) {
    const size_t bytes = spans.ends().at(begin) - begin;
    const auto from = after.begin() + static_cast<ptrdiff_t>(offset);
    now[begin].assign(from, from + static_cast<ptrdiff_t>(bytes));
    std::memcpy(&after[offset], &before[offset], bytes);
  }
  std::fill_n(after.begin() + static_cast<ptrdiff_t>(scratch_at), scratch_bytes, std::byte{0xFF});
  if (after != before) throw std::runtime_error("memory between buffers was written");
  bring_back(op, spans, now);
  return 0;
}

}  // namespace sln_test
