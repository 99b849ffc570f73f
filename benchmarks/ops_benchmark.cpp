// Times every op on the networks' shapes: the timed rows of tests/cases (r50 at side 1024, demo, EfficientNet-lite0).
//
//   ops_benchmark [--threads N] [--filter TEXT] [--seconds S] [--clock wall|cpu]
//
// Each case is first verified against the definition (convolutions on sampled outputs), then warmed up and run for at
// least S seconds. FLOPs are 2 * outputs * window * channels, of the real channels; the peak is measured in the same
// run. Bytes are those of the rows that an op reads and writes, once each. A sample during which the threads had less
// than 97 % of their processors' time says more about the neighbours than about the kernel: it is dropped and counted.
#include <time.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "kernels/cpu/parallel.h"
#include "kernels/isa.h"
#include "tests/cases/op_case.h"
#include "tests/naive/ops.h"
#include "tests/support/op_spans.h"

namespace {

using namespace sln;
using sln_test::kHasWeights;

struct Options {
  int threads = 1;
  std::string filter;
  double seconds = 0.5;
  bool cpu_clock = false;
};

// Memory at a multiple of 64 bytes, as the engine's arena has it.
class Block {
 public:
  explicit Block(size_t bytes) : memory_(bytes + kAlignment) {}
  void* data() {
    const size_t lead = (kAlignment - reinterpret_cast<uintptr_t>(memory_.data()) % kAlignment) % kAlignment;
    return memory_.data() + lead;
  }

 private:
  std::vector<std::byte> memory_;
};

// Units in which a wrong output is measured: without fused multiply-adds every sum rounds differently.
float tolerance() {
  return cpu::isa() == cpu::Isa::kSse4 ? 1e-3f : 0.0f;
}

bool close(float found, float expected, const char* what, int item, int y, int x, int channel) {
  if (std::fabs(expected - found) <= tolerance()) return true;
  std::printf("%s %d %d %d %d: expected %.9g, found %.9g\n", what, item, y, x, channel, expected, found);
  return false;
}

// Sampled outputs, the map's corners among them.
bool sampled(const ConvOp& op) {
  sln_test::Random random(1);
  for (int i = 0; i < 200; ++i) {
    const int item = random.below(op.batch.room), channel = random.below(op.desc.out_channels);
    const int y = i < 4 ? (i & 1) * (op.out_h - 1) : random.below(op.out_h);
    const int x = i < 4 ? (i >> 1) * (op.out_w - 1) : random.below(op.out_w);
    const float found = op.dst[sln_naive::pixel_at(item, op.out_h, y, op.out_w, x, op.dst_stride) + channel];
    if (!close(found, sln_naive::conv_at(op, item, y, x, channel), "output", item, y, x, channel)) return false;
  }
  return true;
}

bool sampled(const DepthwiseOp& op) {
  sln_test::Random random(1);
  for (int i = 0; i < 200; ++i) {
    const int y = i < 4 ? (i & 1) * (op.out_h - 1) : random.below(op.out_h);
    const int x = i < 4 ? (i >> 1) * (op.out_w - 1) : random.below(op.out_w);
    const int channel = random.below(op.desc.channels);
    const float found = op.dst[sln_naive::pixel_at(0, 1, y, op.out_w, x, op.dst_stride) + channel];
    if (!close(found, sln_naive::depthwise_at<float>(op, y, x, channel), "output", 0, y, x, channel)) return false;
  }
  return true;
}

// Whether the op, which has been run, has written what the definition says.
template <typename Op>
bool verify(const Op& op) {
  if constexpr (kHasWeights<Op>) {
    return sampled(op);
  } else {
    const sln_test::Written found = sln_test::written(op);
    const sln_test::Written expected = sln_test::written_on_copies(op, [](const Op& copy) { sln_naive::run(copy); });
    const std::string difference = sln_test::difference(found, expected, tolerance());
    if (!difference.empty()) std::printf("%s\n", difference.c_str());
    return difference.empty();
  }
}

double cpu_seconds(int threads) {
  timespec now;
  clock_gettime(threads == 1 ? CLOCK_THREAD_CPUTIME_ID : CLOCK_PROCESS_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

struct Samples {
  std::vector<double> kept;  // seconds, sorted
  int dropped = 0;
  double at(double quantile) const {
    return kept[std::min(kept.size() - 1, static_cast<size_t>(quantile * static_cast<double>(kept.size())))];
  }
};

template <typename Body>
Samples time_case(const Body& body, cpu::ThreadPool& pool, double seconds, bool cpu_clock) {
  using Clock = std::chrono::steady_clock;
  Samples samples;
  double kept = 0;
  double total = 0;
  // On a machine that is never quiet this ends as well, and says so.
  while ((kept < seconds || samples.kept.size() < 3) && total < 10 * seconds) {
    const double cpu_start = cpu_seconds(pool.threads());
    const Clock::time_point start = Clock::now();
    body();
    const double wall = std::chrono::duration<double>(Clock::now() - start).count();
    const double processor = cpu_seconds(pool.threads()) - cpu_start;
    total += wall;
    if (!cpu_clock && processor < 0.97 * wall * pool.threads()) {
      ++samples.dropped;
      continue;
    }
    kept += wall;
    samples.kept.push_back(cpu_clock ? processor : wall);
  }
  std::sort(samples.kept.begin(), samples.kept.end());
  return samples;
}

std::string processor_name() {
  std::ifstream info("/proc/cpuinfo");
  for (std::string line; std::getline(info, line);) {
    if (line.rfind("model name", 0) == 0) return line.substr(line.find(':') + 2);
  }
  return "unknown processor";
}

bool parse(int argc, char** argv, Options& options) {
  for (int i = 1; i + 1 < argc; i += 2) {
    const std::string name = argv[i];
    const std::string value = argv[i + 1];
    if (name == "--threads") {
      options.threads = std::atoi(value.c_str());
    } else if (name == "--filter") {
      options.filter = value;
    } else if (name == "--seconds") {
      options.seconds = std::atof(value.c_str());
    } else if (name == "--clock" && (value == "cpu" || value == "wall")) {
      options.cpu_clock = value == "cpu";
    } else {
      return false;
    }
  }
  if (options.cpu_clock && options.threads != 1) return false;
  return argc % 2 == 1 && options.threads >= 1 && options.seconds > 0;
}

template <typename Op>
double flops_of(const Op& op) {
  if constexpr (std::is_same_v<Op, ConvOp>) return 2.0 * static_cast<double>(op.batch.room * macs_per_item(op));
  if constexpr (std::is_same_v<Op, DepthwiseOp>) return 2.0 * static_cast<double>(macs_per_item(op));
  return 0;
}

template <typename Op>
size_t packed_bytes_of(const Op& op) {
  if constexpr (kHasWeights<Op>) return cpu::packed_bytes(op.desc);
  return 0;
}

// Of the buffers on the device, and of the host's pixels.
template <typename Op>
double bytes_of(Op op) {
  double bytes = 0;
  each_buffer(op, [&](const auto* pointer, const Rows& rows) {
    bytes += static_cast<double>(rows.items.count() * rows.per_item * rows.length) * sizeof *pointer;
  });
  if constexpr (std::is_same_v<Op, ResizeOp>) bytes += 3.0 * op.width * op.height;
  if constexpr (std::is_same_v<Op, CanvasFromPlanesOp>) bytes += 12.0 * op.side * op.side;
  return bytes;
}

void print_case(const char* name, const Samples& samples, double flops, double bytes, double peak) {
  if (samples.kept.empty()) {
    std::printf("%-27s no sample: the processors were never free for it (%d dropped)\n", name, samples.dropped);
    return;
  }
  const double seconds = samples.at(0.5);
  std::printf("%-27s %9.3f %9.3f %5zu %7d", name, seconds * 1e3, samples.at(0.9) * 1e3, samples.kept.size(),
              samples.dropped);
  if (flops > 0) std::printf(" %9.1f %6.1f%%", flops / seconds / 1e9, 100 * flops / seconds / peak);
  if (flops == 0) std::printf(" %9s %7s", "-", "-");
  std::printf(" %7.1f GB/s\n", bytes / seconds / 1e9);
  std::fflush(stdout);
}

// False where a result is wrong.
template <typename Op>
bool run_cases(const Options& options, cpu::ThreadPool& pool, double peak) {
  for (const sln_test::OpCase& c : sln_test::cases_of<Op>().timed) {
    if (c.name.find(options.filter) == std::string::npos) continue;
    const sln_test::OpProblem problem = c.make();
    const Op& canonical = std::get<Op>(problem.op);
    Op op = canonical;
    Block scratch(cpu::scratch_bytes(op, pool.threads()));
    Block packed(packed_bytes_of(op));
    if constexpr (kHasWeights<Op>) op.weights = cpu::pack(op.desc, op.weights.weights, op.weights.bias, packed.data());
    const auto body = [&] { cpu::run(op, scratch.data(), pool); };
    body();
    if (!verify(canonical)) {
      std::printf("%-27s WRONG\n", c.name.c_str());
      return false;
    }
    const Samples samples = time_case(body, pool, options.seconds, options.cpu_clock);
    print_case(c.name.c_str(), samples, flops_of(op), bytes_of(op), peak);
  }
  return true;
}

template <size_t... kOps>
bool run_ops(const Options& options, cpu::ThreadPool& pool, double peak, std::index_sequence<kOps...> /*all*/) {
  return (run_cases<std::variant_alternative_t<kOps, Op>>(options, pool, peak) && ...);
}

int run(const Options& options) {
  cpu::ThreadPool pool(options.threads);
  const double peak = cpu::measure_peak_flops(pool);
  std::printf("%s, %s, %d threads, %s time, compiler %s, measured peak %.1f GFLOP/s\n", processor_name().c_str(),
              cpu::isa_name(cpu::isa()), options.threads, options.cpu_clock ? "processor" : "wall", __VERSION__,
              peak / 1e9);
  std::printf("%-27s %9s %9s %5s %7s %9s %7s\n", "case", "median ms", "p90 ms", "n", "dropped", "GFLOP/s", "of peak");
  return run_ops(options, pool, peak, std::make_index_sequence<std::variant_size_v<Op>>()) ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  if (!parse(argc, argv, options)) {
    std::fprintf(stderr, "usage: %s [--threads N] [--filter TEXT] [--seconds S] [--clock wall|cpu (1 thread)]\n",
                 argv[0]);
    return 2;
  }
  try {
    return run(options);
  } catch (const std::exception& e) {
    std::fprintf(stderr, "%s\n", e.what());
    return 1;
  }
}
