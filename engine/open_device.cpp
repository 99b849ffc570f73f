#include "engine/device.h"
#include "engine/error.h"

namespace sln {

std::shared_ptr<Device> open_device(const std::string& device) {
  if (device == "auto" || device == "cpu") return open_cpu_device();
  if (device == "cuda") return open_cuda_device();
  fail(ErrorKind::kInvalidArgument, "device: expected auto, cpu or cuda, found '", device, "'");
}

}  // namespace sln
