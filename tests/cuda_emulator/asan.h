// AddressSanitizer's view of memory and of stacks; nothing where it is off.
#pragma once

#include <cstddef>

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif

namespace emulator {

#if defined(__SANITIZE_ADDRESS__)
constexpr bool kAsan = true;
inline void poison(const void* p, size_t bytes) {
  __asan_poison_memory_region(p, bytes);
}
inline void unpoison(const void* p, size_t bytes) {
  __asan_unpoison_memory_region(p, bytes);
}
// save: null where the fiber that is left never runs again.
inline void leave_stack(void** save, const void* to_low, size_t to_bytes) {
  __sanitizer_start_switch_fiber(save, to_low, to_bytes);
}
inline void enter_stack(void* saved, const void** from_low, size_t* from_bytes) {
  __sanitizer_finish_switch_fiber(saved, from_low, from_bytes);
}
#else
constexpr bool kAsan = false;
inline void poison(const void*, size_t) {}
inline void unpoison(const void*, size_t) {}
inline void leave_stack(void**, const void*, size_t) {}
inline void enter_stack(void*, const void**, size_t*) {}
#endif

}  // namespace emulator
