// What tests ask of the emulator beyond CUDA.
#pragma once

#include <cstddef>
#include <string>

namespace emulator {

// The text of the last broken rule, empty if there was none since reset().
std::string last_report();

// Forgets the last report and the error that a failed launch left on every later call. Allocations stay.
void reset();

// The order of threads and blocks, as EMU_ORDER: "up", "down" or the number of a seed; "": as at the beginning.
void set_order(const std::string& text);

// Allocations of device memory that are not freed.
size_t live_allocations();

}  // namespace emulator
