// Which streams there are. What is enqueued is done at once.
#pragma once

#include "emulator/runtime_api.h"

namespace emulator {

cudaStream_t make_stream();
// False if there is no such stream.
bool destroy_stream(cudaStream_t stream);
// True for the default stream, too.
bool is_stream(cudaStream_t stream);

}  // namespace emulator
