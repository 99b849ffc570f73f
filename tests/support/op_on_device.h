// Runs an op whose buffers lie on the host on the CUDA device that is compiled in: the emulator, in the tests. It knows
// the buffers from each_buffer() (kernels/buffers.h) alone, so it serves every op.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <map>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <vector>

#include "kernels/buffers.h"
#include "kernels/cuda/device_api.cuh"

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

// The host's memory that an op's buffers cover, as spans that do not meet: buffers that share memory (a residual that
// is dst, a map inside of another's pixels) are in one span. A span ends with the last element of its last row, so that
// the device's memory does, too.
class Spans {
 public:
  // Takes the rows of a buffer in.
  template <typename T>
  void add(const T* pointer, const sln::Rows& rows) {
    const int64_t count = rows.items.room * rows.per_item;
    if (count <= 0 || rows.length <= 0) return;
    uintptr_t begin = reinterpret_cast<uintptr_t>(pointer);
    uintptr_t end = begin + static_cast<size_t>((count - 1) * rows.step + rows.length) * sizeof(T);
    for (auto at = ends_.begin(); at != ends_.end();) {
      if (at->first < end && begin < at->second) {
        begin = std::min(begin, at->first);
        end = std::max(end, at->second);
        at = ends_.erase(at);
      } else {
        ++at;
      }
    }
    ends_[begin] = end;
  }
  const std::map<uintptr_t, uintptr_t>& ends() const { return ends_; }

 private:
  std::map<uintptr_t, uintptr_t> ends_;  // end by begin
};

// A span on the device.
struct DeviceSpan {
  DeviceSpan(uintptr_t begin, uintptr_t end)
      : host(reinterpret_cast<std::byte*>(begin)), bytes(end - begin), may_change(bytes), device(host, bytes) {}

  // Where the device has it.
  template <typename T>
  T* moved(T* pointer) const {
    return reinterpret_cast<T*>(reinterpret_cast<uintptr_t>(device.data()) + offset(pointer));
  }
  template <typename T>
  size_t offset(const T* pointer) const {
    return static_cast<size_t>(reinterpret_cast<const std::byte*>(pointer) - host);
  }

  // Allows the op to write the rows of the items in use.
  template <typename T>
  void allow(const T* pointer, const sln::Rows& rows) {
    for (int64_t row = 0; row < rows.items.count() * rows.per_item; ++row) {
      const size_t from = offset(pointer + row * rows.step);
      std::fill_n(may_change.begin() + static_cast<ptrdiff_t>(from), static_cast<size_t>(rows.length) * sizeof(T),
                  true);
    }
  }

  // Brings the bytes back. Throws std::runtime_error where one has changed that may not.
  void fetch() {
    const std::vector<std::byte> now = device.host();
    for (size_t i = 0; i < bytes; ++i) {
      if (may_change[i] || now[i] == host[i]) continue;
      throw std::runtime_error("byte " + std::to_string(i) + " of " + std::to_string(bytes) +
                               " was written: it is an input, between the rows of an output, or of an item not in use");
    }
    for (size_t i = 0; i < bytes; ++i) {
      if (may_change[i]) host[i] = now[i];
    }
  }

  std::byte* host;
  size_t bytes;
  std::vector<bool> may_change;
  OnDevice device;
};

// Runs `run`, which takes the op with pointers of the device and enqueues it, and returns its cudaError_t, or the
// device's. The host's memory is then as the device's. Throws what `run` throws, and as DeviceSpan::fetch().
template <typename Op, typename Run>
int run_on_device(Op op, const Run& run) {
  Spans covered;
  each_buffer(op, [&](const auto* pointer, const sln::Rows& rows) { covered.add(pointer, rows); });
  std::map<uintptr_t, DeviceSpan> spans;
  for (const auto& [begin, end] : covered.ends()) spans.try_emplace(begin, begin, end);
  const auto span_of = [&](const void* pointer) -> DeviceSpan* {
    const auto after = spans.upper_bound(reinterpret_cast<uintptr_t>(pointer));
    if (after == spans.begin()) return nullptr;
    DeviceSpan& span = std::prev(after)->second;
    return span.offset(static_cast<const std::byte*>(pointer)) < span.bytes ? &span : nullptr;
  };

  Op moved = op;
  each_buffer(op, [&](auto* pointer, const sln::Rows& rows) {
    using Element = std::remove_pointer_t<decltype(pointer)>;
    DeviceSpan* const span = span_of(pointer);
    if (span != nullptr && !std::is_const_v<Element>) span->allow(pointer, rows);
  });
  // The op's own visitor hands out its pointers by reference. An empty buffer stays where it is: nobody reads it.
  each_buffer(moved, [&](auto& pointer, const sln::Rows&) {
    const DeviceSpan* const span = span_of(pointer);
    if (span != nullptr) pointer = span->moved(pointer);
  });
  int error = run(moved);
  if (error == cudaSuccess) error = cudaDeviceSynchronize();
  if (error != cudaSuccess) return error;
  for (auto& [begin, span] : spans) span.fetch();
  return error;
}

}  // namespace sln_test
