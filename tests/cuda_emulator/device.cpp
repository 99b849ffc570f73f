// The device functions that a kernel calls, handed to the block that runs.
#include "emulator/device.h"

#include <cstdio>
#include <cstdlib>

#include "tests/cuda_emulator/block.h"
#include "tests/cuda_emulator/report.h"

namespace emulator {
namespace {

Block& block() {
  Block* const running = Block::current();
  if (running != nullptr) return *running;
  std::fprintf(stderr, "CUDA emulator: a device function was called outside of a kernel\n");
  std::abort();
}

}  // namespace

int barrier(Primitive primitive, int predicate, Site site) {
  return block().barrier(primitive, predicate, site);
}

unsigned vote(Primitive primitive, unsigned mask, int predicate, Site site) {
  return static_cast<unsigned>(block().warp_call({primitive, mask, site, predicate != 0 ? 1u : 0u, 0}));
}

uint64_t shuffle(Primitive primitive, unsigned mask, uint64_t bits, int argument, int width, Site site) {
  Block& running = block();
  return running.warp_call({primitive, mask, site, bits, running.source(primitive, argument, width, site)});
}

void* shared_array(const SharedSite& site) {
  return block().shared_array(site);
}

void* dynamic_shared() {
  return block().dynamic_shared();
}

void misaligned(const void* pointer, size_t alignment, Site site) {
  block().violation("an address is " + std::to_string(reinterpret_cast<uintptr_t>(pointer) % alignment) +
                        " bytes off a multiple of " + std::to_string(alignment),
                    site);
}

}  // namespace emulator
