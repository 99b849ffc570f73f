#include "tests/cuda_emulator/warp.h"

#include "tests/cuda_emulator/report.h"

namespace emulator {
namespace {

unsigned bit(unsigned lane) {
  return 1u << lane;
}

}  // namespace

void Warp::begin(unsigned lanes) {
  live_ = lanes == kLanes ? ~0u : bit(lanes) - 1;
  groups_in_use_ = 0;
}

std::string Warp::text(const Group& group) {
  return "lanes " + hex(group.arrived) + " wait in " + name_of(group.primitive) + " at " + text_of(group.site) +
         " with mask " + hex(group.mask);
}

std::string Warp::waiting() const {
  return groups_in_use_ == 0 ? std::string() : text(groups_[0]);
}

// The group that waits for this call, or a new one; null if a rule is broken.
Warp::Group* Warp::join(unsigned lane, const WarpCall& call, std::string* why) {
  const auto broken = [&](const std::string& rule) {
    *why = "lane " + std::to_string(lane) + " calls " + name_of(call.primitive) + " with mask " + hex(call.mask) + rule;
    return nullptr;
  };
  if ((call.mask & bit(lane)) == 0) return broken(", which does not name the lane itself");
  const unsigned gone = call.mask & ~live_;
  if (gone != 0) return broken(", whose lanes " + hex(gone) + " have returned or do not exist");
  for (unsigned i = 0; i < groups_in_use_; ++i) {
    Group& group = groups_[i];
    if ((group.mask & call.mask) == 0) continue;
    if (group.mask == call.mask && group.primitive == call.primitive && same_place(group.site, call.site)) {
      return &group;
    }
    return broken(", while " + text(group));
  }
  Group& made = groups_[groups_in_use_++];
  made = {call.primitive, call.mask, 0, call.site};
  return &made;
}

unsigned Warp::arrive(unsigned lane, const WarpCall& call, std::string* why) {
  Group* const group = join(lane, call, why);
  if (group == nullptr) return 0;
  bits_[lane] = call.bits;
  sources_[lane] = static_cast<uint8_t>(call.source);
  group->arrived |= bit(lane);
  if (group->arrived != group->mask) return 0;
  const unsigned done = group->mask;
  finish(*group);
  *group = groups_[--groups_in_use_];
  return done;
}

// Results are made for all lanes at once: a lane that runs on may overwrite its own value before others have read it.
void Warp::finish(const Group& group) {
  const bool shuffle = group.primitive >= Primitive::shfl;
  uint64_t votes = 0;
  for (unsigned lanes = group.mask; lanes != 0 && !shuffle; lanes &= lanes - 1) {
    const unsigned lane = static_cast<unsigned>(__builtin_ctz(lanes));
    votes |= bits_[lane] << lane;
  }
  for (unsigned lanes = group.mask; lanes != 0; lanes &= lanes - 1) {
    const unsigned lane = static_cast<unsigned>(__builtin_ctz(lanes));
    const unsigned source = sources_[lane];
    results_[lane] = !shuffle ? votes : (group.mask & bit(source)) != 0 ? bits_[source] : kShufflePoison;
  }
}

bool Warp::leave(unsigned lane, std::string* why) {
  live_ &= ~bit(lane);
  for (unsigned i = 0; i < groups_in_use_; ++i) {
    if ((groups_[i].mask & bit(lane)) == 0) continue;
    *why = "lane " + std::to_string(lane) + " has returned while " + text(groups_[i]);
    return false;
  }
  return true;
}

}  // namespace emulator
