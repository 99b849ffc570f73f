#include "engine/arena.h"

#include <catch2/catch.hpp>
#include <cmath>
#include <cstring>
#include <random>

#include "engine/backend.h"
#include "engine/error.h"
#include "kernels/cpu/parallel.h"

using sln::Arena;
using sln::Buffer;

TEST_CASE("lay_out: buffers that live together do not overlap, and memory is shared where it can be") {
  std::mt19937 random(7);
  for (int round = 0; round < 200; ++round) {
    std::vector<Arena::Lifetime> lives;
    for (int i = 0; i < 20; ++i) {
      const int begin = static_cast<int>(random() % 30);
      lives.push_back({64 * (1 + random() % 50), begin, begin + 1 + static_cast<int>(random() % 10)});
    }
    std::vector<size_t> offsets;
    const size_t total = Arena::lay_out(lives, offsets);
    size_t peak = 0;
    size_t sum = 0;
    for (int t = 0; t < 45; ++t) {
      size_t live = 0;
      for (const auto& life : lives) live += life.begin <= t && t < life.end ? life.bytes : 0;
      peak = std::max(peak, live);
    }
    for (size_t i = 0; i < lives.size(); ++i) {
      sum += lives[i].bytes;
      REQUIRE(offsets[i] + lives[i].bytes <= total);
      for (size_t j = 0; j < i; ++j) {
        const bool meet = lives[i].begin < lives[j].end && lives[j].begin < lives[i].end;
        const bool overlap = offsets[i] < offsets[j] + lives[j].bytes && offsets[j] < offsets[i] + lives[i].bytes;
        REQUIRE_FALSE((meet && overlap));
      }
    }
    REQUIRE(total >= peak);
    REQUIRE(total <= sum);
    REQUIRE(static_cast<double>(total) < 1.6 * static_cast<double>(peak));
  }
}

namespace {

struct Cpu {
  sln::cpu::ThreadPool pool{1};
  std::shared_ptr<sln::Device> device = sln::open_cpu_device();
  std::unique_ptr<sln::Backend> backend = device->open(pool);
};

// Takes a, b, lets a go, takes c: c may lie where a was.
void sequence(Arena& arena, float* seen[3]) {
  Buffer a = arena.take(4096);
  Buffer b = arena.take(128);
  seen[0] = a.floats();
  seen[1] = b.floats();
  a = Buffer();
  Buffer c = arena.take(4000);
  seen[2] = c.floats();
}

}  // namespace

TEST_CASE("A planned run gives the recorded places, again and again") {
  Cpu cpu;
  Arena arena(Arena::Mode::kPacked, *cpu.device, *cpu.backend);
  float* recorded[3];
  sequence(arena, recorded);
  for (const float* place : recorded) REQUIRE(place != nullptr);
  arena.plan();
  REQUIRE(arena.bytes() == 4096 + 128);
  float* first[3];
  float* second[3];
  arena.rewind();
  sequence(arena, first);
  arena.rewind();
  sequence(arena, second);
  REQUIRE(std::memcmp(first, second, sizeof first) == 0);
  REQUIRE(first[2] == first[0]);
  REQUIRE(first[1] != first[0]);
  for (const float* place : first) REQUIRE(reinterpret_cast<uintptr_t>(place) % sln::kAlignment == 0);
}

TEST_CASE("A take that was not planned is an error") {
  Cpu cpu;
  Arena arena(Arena::Mode::kPacked, *cpu.device, *cpu.backend);
  float* places[3];
  sequence(arena, places);
  arena.plan();
  arena.rewind();
  sequence(arena, places);
  REQUIRE_THROWS_AS(arena.take(0), sln::Error);
  arena.rewind();
  REQUIRE_THROWS_AS(arena.take(4097), sln::Error);
}

TEST_CASE("A take may ask for less than was recorded, and for nothing") {
  Cpu cpu;
  Arena arena(Arena::Mode::kPacked, *cpu.device, *cpu.backend);
  float* places[3];
  sequence(arena, places);
  arena.plan();
  arena.rewind();
  Buffer a = arena.take(0);
  Buffer b = arena.take(64);
  REQUIRE(a.floats() + 1024 <= b.floats());
}

TEST_CASE("Guard mode: every buffer is its own and poisoned") {
  Cpu cpu;
  Arena arena(Arena::Mode::kGuard, *cpu.device, *cpu.backend);
  float* places[3];
  sequence(arena, places);
  arena.plan();
  arena.rewind();
  const Buffer a = arena.take(4096);
  REQUIRE(std::isnan(a.floats()[0]));
  REQUIRE(std::isnan(a.floats()[1023]));
  REQUIRE(arena.bytes() == 4096 + 128 + 4032);
}
