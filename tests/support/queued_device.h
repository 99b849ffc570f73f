// A device that is nobody's hardware: the CPU's ops behind a queue, so that an engine meets what it meets on a GPU. An
// op runs when something waits for it and not before, photos are copied when they are enqueued, two images may be under
// way, and memory is fetched into blocks of its own. An op can be made to fail.
#pragma once

#include <atomic>
#include <cstring>
#include <deque>
#include <functional>
#include <memory>
#include <stdexcept>
#include <utility>
#include <vector>

#include "engine/backend.h"
#include "engine/device.h"

namespace sln_test {

// What tests see of the queues of a device.
struct QueuedState {
  int flights = 2;
  int fail_at = -1;       // the op that throws when it is enqueued, counted from 0 over the device's life; -1: none
  int fail_at_wait = -1;  // the wait() that throws, likewise
  int enqueued = 0;       // ops so far
  int waits = 0;          // calls of wait()
  int reads = 0;          // calls of read()
  std::atomic<int> packed{0};    // layers packed
  std::atomic<int64_t> live{0};  // blocks of memory that are allocated
  size_t pending = 0;            // entries of the queue that wait
};

class QueuedBackend final : public sln::Backend {
 public:
  QueuedBackend(std::unique_ptr<sln::Backend> cpu, std::shared_ptr<QueuedState> state)
      : cpu_(std::move(cpu)), state_(std::move(state)), blocks_(static_cast<size_t>(state_->flights)) {}
  ~QueuedBackend() override { drain(); }

  size_t scratch_bytes(const sln::Op& op) const override { return cpu_->scratch_bytes(op); }
  void run(const sln::Op& op, void* scratch) override {
    if (state_->enqueued++ == state_->fail_at) throw std::runtime_error("this op was made to fail");
    sln::Op copy = op;
    std::shared_ptr<void> host = keep_host_memory(copy);
    enqueue([this, copy, scratch, host] { cpu_->run(copy, scratch); });
  }
  void poison(void* memory, size_t bytes) override {
    enqueue([this, memory, bytes] { cpu_->poison(memory, bytes); });
  }
  int flights() const override { return state_->flights; }
  void fetch(int flight, void* block, size_t bytes) override {
    enqueue([this, flight, block, bytes] {
      auto& to = blocks_[static_cast<size_t>(flight)];
      to.resize(bytes / sizeof(double));  // aligned for what lies in it
      std::memcpy(to.data(), block, bytes);
    });
    ends_.push_back(done_ + queue_.size());
  }
  void* wait(int flight) override {
    const size_t end = ends_.front();
    ends_.pop_front();
    while (done_ < end) step();
    if (state_->waits++ == state_->fail_at_wait) throw std::runtime_error("the device was made to fail");
    return blocks_[static_cast<size_t>(flight)].data();
  }
  void mark(int flight, int moment) override {
    // The moments of each flight are the CPU's of a range of its own.
    enqueue([this, flight, moment] { cpu_->mark(0, kMoments / 2 * flight + moment); });
  }
  double seconds(int flight, int from, int to) override {
    return cpu_->seconds(0, kMoments / 2 * flight + from, kMoments / 2 * flight + to);
  }
  void read(void* to, const void* from, size_t bytes) override {
    ++state_->reads;
    drain();
    cpu_->read(to, from, bytes);
  }
  double measure_peak_flops() override { return cpu_->measure_peak_flops(); }

 private:
  // Copies what an op reads of the host, since its owner may change it now.
  static std::shared_ptr<void> keep_host_memory(sln::Op& op) {
    if (auto* resize = std::get_if<sln::ResizeOp>(&op)) {
      const size_t bytes = static_cast<size_t>(resize->row_bytes) * static_cast<size_t>(resize->height - 1) +
                           3 * static_cast<size_t>(resize->width);
      auto pixels = std::make_shared<std::vector<uint8_t>>(resize->pixels, resize->pixels + bytes);
      resize->pixels = pixels->data();
      return pixels;
    }
    if (auto* planes = std::get_if<sln::CanvasFromPlanesOp>(&op)) {
      const size_t floats = 3 * static_cast<size_t>(planes->side) * static_cast<size_t>(planes->side);
      auto values = std::make_shared<std::vector<float>>(planes->planes, planes->planes + floats);
      planes->planes = values->data();
      return values;
    }
    return nullptr;
  }
  void enqueue(std::function<void()> entry) {
    queue_.push_back(std::move(entry));
    state_->pending = queue_.size();
  }
  void step() {
    queue_.front()();
    queue_.pop_front();
    ++done_;
    state_->pending = queue_.size();
  }
  void drain() {
    while (!queue_.empty()) step();
  }

  std::unique_ptr<sln::Backend> cpu_;
  std::shared_ptr<QueuedState> state_;
  std::deque<std::function<void()>> queue_;
  size_t done_ = 0;          // entries that have run
  std::deque<size_t> ends_;  // of the flights under way: entries that must have run
  std::vector<std::vector<double>> blocks_;
};

class QueuedDevice final : public sln::Device {
 public:
  explicit QueuedDevice(std::shared_ptr<QueuedState> state) : state_(std::move(state)) {}
  const char* name() const override { return "queued"; }
  const char* isa() const override { return cpu_->isa(); }
  void* allocate(size_t bytes) override {
    ++state_->live;
    return cpu_->allocate(bytes);
  }
  void release(void* memory) noexcept override {
    --state_->live;
    cpu_->release(memory);
  }
  void upload(void* to, const void* from, size_t bytes) override { cpu_->upload(to, from, bytes); }
  size_t packed_bytes(const sln::ConvDesc& desc) const override { return cpu_->packed_bytes(desc); }
  size_t packed_bytes(const sln::DepthwiseDesc& desc) const override { return cpu_->packed_bytes(desc); }
  sln::PackedWeights pack(const sln::ConvDesc& desc, const float* weights, const float* bias, void* to) override {
    ++state_->packed;
    return cpu_->pack(desc, weights, bias, to);
  }
  sln::PackedWeights pack(const sln::DepthwiseDesc& desc, const float* weights, const float* bias, void* to) override {
    ++state_->packed;
    return cpu_->pack(desc, weights, bias, to);
  }
  std::unique_ptr<sln::Backend> open(sln::cpu::ThreadPool& pool) override {
    return std::make_unique<QueuedBackend>(cpu_->open(pool), state_);
  }

 private:
  std::shared_ptr<sln::Device> cpu_ = sln::open_cpu_device();
  std::shared_ptr<QueuedState> state_;
};

}  // namespace sln_test
