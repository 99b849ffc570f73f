#include <stdexcept>

#include "engine/device.h"
#include "engine/error.h"
#include "kernels/isa.h"

namespace sln {

void check_device_name(const std::string& name) {
  if (name != "auto" && name != "cpu" && name != "cuda")
    fail(ErrorKind::kInvalidArgument, "option device: expected auto, cpu or cuda, found '", name, "'");
}

std::shared_ptr<Device> open_device(const std::string& name) {
  check_device_name(name);
  try {
    cpu::isa();
  } catch (const std::invalid_argument& error) {
    throw Error(ErrorKind::kUnsupported, error.what());
  }
  return name == "cuda" ? open_cuda_device() : open_cpu_device();
}

}  // namespace sln
