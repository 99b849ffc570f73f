// Counts what the process allocates with operator new. A test that calls this is linked with counting operators.
#pragma once

#include <cstdint>

namespace sln::test {

int64_t allocation_count();

}  // namespace sln::test
