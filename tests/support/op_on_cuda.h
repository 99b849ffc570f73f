// Runs cases of ops (tests/cases) on CUDA: on the emulator, in the tests.
#pragma once

#include <catch2/catch.hpp>
#include <cstddef>
#include <memory>
#include <vector>

#include "kernels/cuda/ops.h"
#include "tests/cases/op_case.h"
#include "tests/support/op_on_device.h"

namespace sln_test {

// Weights of an op on the device, in exactly the memory that they ask for; of an op without weights, nothing.
template <typename Op>
class PackedOnDevice {
 public:
  explicit PackedOnDevice(const Op& op) : op_(op) {
    if constexpr (kHasWeights<Op>) {
      Guarded<float> host(sln::cuda::packed_bytes(op.desc) / sizeof(float));
      const size_t bytes = host.size() * sizeof(float);
      device_ = std::make_unique<OnDevice>(host.data(), bytes);
      op_.weights = sln::cuda::pack(op.desc, op.weights.weights, op.weights.bias, host.data(), device_->data());
      CHECK(host.intact());
      require_cuda(cudaMemcpy(device_->data(), host.data(), bytes, cudaMemcpyHostToDevice), "upload");
    }
  }
  const Op& op() const { return op_; }

 private:
  Op op_;
  std::unique_ptr<OnDevice> device_;
};

// Every span, and the scratch, in an allocation of its own.
template <typename Op>
int run_on_cuda(const Op& op) {
  const std::vector<std::byte> garbage(sln::cuda::scratch_bytes(op), std::byte{0xFF});
  const OnDevice scratch(garbage.data(), garbage.size());
  return run_on_device(op, [&](const Op& moved) { return sln::cuda::run(moved, scratch.data(), nullptr); });
}

template <typename Op>
int run_packed_on_cuda(const Op& op) {
  return run_packed_on_device(op, sln::cuda::scratch_bytes(op), [](const Op& moved, std::byte* scratch) {
    return sln::cuda::run(moved, scratch, nullptr);
  });
}

}  // namespace sln_test
