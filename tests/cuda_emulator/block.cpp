#include "tests/cuda_emulator/block.h"

#include <algorithm>

#include "tests/cuda_emulator/report.h"

EMU_THREAD_LOCAL uint3 threadIdx;
EMU_THREAD_LOCAL uint3 blockIdx;
EMU_THREAD_LOCAL uint3 blockDim;
EMU_THREAD_LOCAL uint3 gridDim;

namespace emulator {
namespace {

// Thrown through a kernel whose block is given up.
struct GivenUp {};

EMU_THREAD_LOCAL Block* running_block = nullptr;

uint3 place_in(uint64_t i, const dim3& extent) {
  return {static_cast<unsigned>(i % extent.x), static_cast<unsigned>(i / extent.x % extent.y),
          static_cast<unsigned>(i / extent.x / extent.y)};
}

std::string barrier_text(Primitive primitive, Site site) {
  return std::string(name_of(primitive)) + " at " + text_of(site);
}

}  // namespace

Block::Block() {
  threads_.reserve(kMaxThreads);
  warps_.reserve(kMaxThreads / kLanes);
}

Block* Block::current() {
  return running_block;
}

void Block::begin_launch(const LaunchShape& shape, const KernelCall& call, const Order& order) {
  shape_ = shape;
  call_ = &call;
  order_ = order;
  shared_.begin_launch();
  thread_count_ = shape.block.x * shape.block.y * shape.block.z;
  threads_.resize(thread_count_);
  warps_.resize((thread_count_ + kLanes - 1) / kLanes);
  for (unsigned i = 0; i < thread_count_; ++i) {
    threads_[i] = {place_in(i, shape.block), nullptr, i % kLanes, &warps_[i / kLanes]};
    sequence_[i] = static_cast<uint16_t>(order.direction == Direction::down ? thread_count_ - 1 - i : i);
  }
}

void Block::shuffle_threads(uint64_t place) {
  if (order_.direction != Direction::seeded) return;
  random_ = Random(order_.seed + place);
  for (unsigned i = 0; i < thread_count_; ++i) sequence_[i] = static_cast<uint16_t>(i);
  for (unsigned i = thread_count_; i > 1; --i) std::swap(sequence_[i - 1], sequence_[random_.below(i)]);
}

bool Block::run(uint64_t place) {
  shuffle_threads(place);
  for (Thread& thread : threads_) thread.fiber = nullptr;
  for (unsigned i = 0; i < warps_.size(); ++i) warps_[i].begin(std::min(kLanes, thread_count_ - i * kLanes));
  returned_ = waiting_ = 0;
  votes_ = 0;
  failed_ = false;
  ready_begin_ = 0;
  ready_end_ = thread_count_;
  std::copy_n(sequence_.begin(), thread_count_, ready_.begin());
  shared_.begin(shape_.dynamic_bytes);

  blockIdx = place_in(place, shape_.grid);
  blockDim = {shape_.block.x, shape_.block.y, shape_.block.z};
  gridDim = {shape_.grid.x, shape_.grid.y, shape_.grid.z};
  running_block = this;
  make_current(next_ready());
  current_->fiber = fibers_.take(fiber_main);
  if (current_->fiber == nullptr) {
    report("no memory for the stacks of threads");
    failed_ = true;
  } else {
    previous_ = &host_;
    host_.switch_to(*current_->fiber);
  }
  running_block = nullptr;
  fibers_.give_all(failed_);
  const std::string damage = failed_ ? std::string() : shared_.damage();
  if (damage.empty()) return !failed_;
  report("shared memory was written " + damage + ": block " + text_of(blockIdx));
  return false;
}

bool Block::end_launch() {
  const std::string damage = shared_.end_launch();
  if (!damage.empty()) report("shared memory was written " + damage);
  return damage.empty();
}

void Block::fiber_main() {
  Block& block = *running_block;
  Fiber::entered(*block.previous_);
  block.live();
}

// Lives the current thread and, in the same fiber, those after it that have not begun.
void Block::live() {
  for (;;) {
    Thread* const next = live_one();
    Fiber* const mine = current_->fiber;
    if (next == nullptr) mine->end_in(host_);
    make_current(next);
    if (next->fiber == nullptr) {
      next->fiber = mine;
      continue;
    }
    fibers_.give(mine);
    mine->end_in(*next->fiber);
  }
}

// Lives the current thread. Returns who is next; null when the block is done or given up.
Block::Thread* Block::live_one() {
  try {
    try {
      call_->run();
    } catch (const GivenUp&) {
      throw;
    } catch (...) {
      violation("the kernel has thrown an exception");
    }
    returned();
    if (returned_ == thread_count_) return nullptr;
    Thread* const next = next_ready();
    if (next == nullptr) deadlock();
    return next;
  } catch (const GivenUp&) {
    return nullptr;
  }
}

void Block::returned() {
  if (waiting_ != 0) {
    violation("a thread has returned while " + name(threads_[first_waiting_]) + " waits in " +
              barrier_text(barrier_primitive_, barrier_site_));
  }
  std::string why;
  if (!current_->warp->leave(current_->lane, &why)) violation(why);
  ++returned_;
}

Block::Thread* Block::next_ready() {
  if (ready_begin_ == ready_end_) return nullptr;
  return &threads_[ready_[ready_begin_++ % kMaxThreads]];
}

void Block::make_current(Thread* thread) {
  current_ = thread;
  threadIdx = thread->index;
}

void Block::suspend() {
  Thread* const me = current_;
  Thread* const next = next_ready();
  if (next == me) return;
  if (next == nullptr) deadlock();
  if (next->fiber == nullptr) {
    next->fiber = fibers_.take(fiber_main);
    if (next->fiber == nullptr) violation("no memory for the stacks of threads");
  }
  make_current(next);
  previous_ = me->fiber;
  me->fiber->switch_to(*next->fiber);
}

int Block::barrier(Primitive primitive, int predicate, Site site) {
  if (returned_ != 0) {
    violation(
        barrier_text(primitive, site) + " after " + std::to_string(returned_) + " threads of the block have returned",
        site);
  }
  if (waiting_ == 0) {
    first_waiting_ = static_cast<unsigned>(current_ - threads_.data());
    barrier_primitive_ = primitive;
    barrier_site_ = site;
  } else if (primitive != barrier_primitive_ || !same_place(site, barrier_site_)) {
    violation("divergent barrier: came to " + barrier_text(primitive, site) + " while " +
                  name(threads_[first_waiting_]) + " waits in " + barrier_text(barrier_primitive_, barrier_site_),
              site);
  }
  votes_ += predicate != 0;
  if (++waiting_ == thread_count_) release_barrier();
  suspend();
  return result_;  // the next barrier overwrites it, but not before all have come there
}

// All threads are ready, in the block's sequence from a random point on.
void Block::release_barrier() {
  result_ = votes_;
  votes_ = 0;
  waiting_ = 0;
  const unsigned turn = order_.direction == Direction::seeded ? random_.below(thread_count_) : 0;
  ready_begin_ = 0;
  ready_end_ = thread_count_;
  const auto middle = std::copy(sequence_.begin() + turn, sequence_.begin() + thread_count_, ready_.begin());
  std::copy_n(sequence_.begin(), turn, middle);
}

uint64_t Block::warp_call(WarpCall call) {
  Thread* const me = current_;
  std::string why;
  const unsigned done = me->warp->arrive(me->lane, call, &why);
  if (!why.empty()) violation(why, call.site);
  if (done != 0) release_lanes(static_cast<unsigned>(me - threads_.data()) - me->lane, done);
  suspend();
  return me->warp->result(me->lane);
}

void Block::release_lanes(unsigned first_thread, unsigned lanes) {
  const bool down = order_.direction == Direction::down;
  const unsigned turn = order_.direction == Direction::seeded ? random_.below(kLanes) : 0;
  for (unsigned i = 0; i < kLanes; ++i) {
    const unsigned lane = ((down ? kLanes - 1 - i : i) + turn) % kLanes;
    if ((lanes >> lane & 1) != 0) make_ready(first_thread + lane);
  }
}

unsigned Block::source(Primitive primitive, int argument, int width, Site site) {
  if (width < 1 || width > static_cast<int>(kLanes) || (width & (width - 1)) != 0) {
    violation("a shuffle's width is " + std::to_string(width) + ", not a power of two up to 32", site);
  }
  const int lane = static_cast<int>(current_->lane);
  const int begin = lane & ~(width - 1);
  const int end = begin + width;
  const int64_t distance = static_cast<unsigned>(argument);
  int64_t wanted = lane;
  switch (primitive) {
    case Primitive::shfl:
      wanted = begin + (argument & (width - 1));
      break;
    case Primitive::shfl_xor:
      wanted = lane ^ distance;
      break;
    case Primitive::shfl_up:
      wanted = lane - distance;
      break;
    default:
      wanted = lane + distance;
      break;
  }
  // Out of the segment a lane gets its own value; an xor may look into a segment before its own.
  const bool inside = wanted < end && (wanted >= begin || (primitive == Primitive::shfl_xor && wanted >= 0));
  return static_cast<unsigned>(inside ? wanted : lane);
}

void* Block::shared_array(const SharedSite& site) {
  void* const data = shared_.array(site);
  if (data == nullptr) violation(shared_.why(), site.site);
  return data;
}

std::string Block::name(const Thread& thread) {
  return "thread " + text_of(thread.index);
}

void Block::deadlock() {
  std::string what = "deadlock: no thread of the block can go on";
  if (waiting_ != 0) {
    what += "; " + std::to_string(waiting_) + " threads, first " + name(threads_[first_waiting_]) + ", wait in " +
            barrier_text(barrier_primitive_, barrier_site_);
  }
  for (size_t i = 0; i < warps_.size(); ++i) {
    const std::string waiting = warps_[i].waiting();
    if (!waiting.empty()) what += "; warp " + std::to_string(i) + ": " + waiting;
  }
  violation(what);
}

// By an exception, so that what the thread has on its stack is destroyed. The other threads' stacks are forgotten.
void Block::violation(const std::string& what, Site site) {
  std::string where = ": block " + text_of(blockIdx) + ", " + name(*current_);
  if (site.file != nullptr) where += ", " + text_of(site);
  report(what + where);
  failed_ = true;
  throw GivenUp();
}

void Block::faulted(const void* address, const std::string& what) {
  try {
    violation(current_->fiber->guards(address) ? "the thread's stack has overflowed" : what);
  } catch (const GivenUp&) {
  }
  current_->fiber->end_in(host_);
}

}  // namespace emulator
