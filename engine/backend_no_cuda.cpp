// Linked in where the library has no CUDA.
#include "engine/device.h"
#include "engine/error.h"

namespace sln {

std::shared_ptr<Device> open_cuda_device() {
  fail(ErrorKind::kUnsupported, "device cuda: expected a library built with CUDA, found one without");
}

}  // namespace sln
