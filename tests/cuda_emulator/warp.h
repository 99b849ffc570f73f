// The lanes of one warp, where they meet in votes and shuffles.
#pragma once

#include <array>
#include <cstdint>
#include <string>

#include "emulator/device.h"

namespace emulator {

constexpr unsigned kLanes = 32;
// What a shuffle gives where nothing is defined: NaN as a float and as a double.
constexpr uint64_t kShufflePoison = 0xfffbadbafffbadbau;

// One lane's call of a primitive.
struct WarpCall {
  Primitive primitive = Primitive::syncwarp;
  unsigned mask = 0;
  Site site;
  uint64_t bits = 0;    // the value, or 1 where the predicate was not 0
  unsigned source = 0;  // lane that a shuffle reads
};

class Warp {
 public:
  // The warp has lanes 0 .. lanes - 1, none of which has returned.
  void begin(unsigned lanes);

  // The lane waits. Returns the lanes that are done with it: all of the mask when the last one has come, else none.
  // A call that breaks a rule changes nothing and is described in why.
  unsigned arrive(unsigned lane, const WarpCall& call, std::string* why);

  // What the lane's last call gave: the source lane's bits, or the lanes that voted.
  uint64_t result(unsigned lane) const { return results_[lane]; }

  // The lane has returned; false if others wait for it, described in why.
  bool leave(unsigned lane, std::string* why);

  // Describes one group that waits; empty if there is none.
  std::string waiting() const;

 private:
  // Lanes that wait for each other. The masks of two groups have no lane in common.
  struct Group {
    Primitive primitive;
    unsigned mask;
    unsigned arrived;
    Site site;
  };
  Group* join(unsigned lane, const WarpCall& call, std::string* why);
  void finish(const Group& group);
  static std::string text(const Group& group);

  unsigned live_ = 0;
  unsigned groups_in_use_ = 0;
  std::array<Group, kLanes> groups_;
  std::array<uint64_t, kLanes> bits_;
  std::array<uint64_t, kLanes> results_;
  std::array<uint8_t, kLanes> sources_;
};

}  // namespace emulator
