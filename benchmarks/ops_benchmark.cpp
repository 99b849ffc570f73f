// Times the convolution on the shapes of the network (r50 at side 1024, and demo's heads) and on a few that stress it,
// and the depthwise convolution on those of EfficientNet-lite0 at side 256.
//
//   ops_benchmark [--threads N] [--filter TEXT] [--seconds S] [--clock wall|cpu]
//
// Each case is first verified on sampled outputs against the definition, then warmed up and run for at least S seconds.
// FLOPs are 2 * outputs * window * channels, of the real channels; the peak is measured in the same run. For depthwise
// cases the bytes of both maps per second are shown too: these are bound by the caches more often than not. A sample
// during which the threads had less than 97 % of their processors' time says more about the neighbours than about the
// kernel: it is dropped and counted.
#include <time.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <random>
#include <string>
#include <vector>

#include "kernels/conv.h"
#include "kernels/cpu/parallel.h"
#include "kernels/depthwise.h"
#include "kernels/isa.h"
#include "tests/naive/conv.h"
#include "tests/naive/depthwise.h"

namespace {

using namespace sln;

struct Case {
  const char* name;
  int batch, side;          // items, pixels of a map's side
  int in, src_stride, out;  // channels, floats, channels
  int kernel, stride, dilation;
  bool residual;
};

constexpr Case kCases[] = {
    {"stem 7x7/2 3->64 @1024", 1, 1024, 3, 4, 64, 7, 2, 1, false},
    {"1x1 64->256 +res @256", 1, 256, 64, 64, 256, 1, 1, 1, true},
    {"1x1 256->64 @256", 1, 256, 256, 256, 64, 1, 1, 1, false},
    {"3x3 64->64 @256", 1, 256, 64, 64, 64, 3, 1, 1, false},
    {"3x3/2 128->128 @256", 1, 256, 128, 128, 128, 3, 2, 1, false},
    {"1x1/2 256->512 @256", 1, 256, 256, 256, 512, 1, 2, 1, false},
    {"1x1 512->128 @128", 1, 128, 512, 512, 128, 1, 1, 1, false},
    {"3x3 128->128 @128", 1, 128, 128, 128, 128, 3, 1, 1, false},
    {"1x1 128->512 +res @128", 1, 128, 128, 128, 512, 1, 1, 1, true},
    {"1x1 1024->256 @64", 1, 64, 1024, 1024, 256, 1, 1, 1, false},
    {"3x3 256->256 @64", 1, 64, 256, 256, 256, 3, 1, 1, false},
    {"1x1 256->1024 +res @64", 1, 64, 256, 256, 1024, 1, 1, 1, true},
    {"1x1 2048->512 @32", 1, 32, 2048, 2048, 512, 1, 1, 1, false},
    {"3x3 d2 512->512 @32", 1, 32, 512, 512, 512, 3, 1, 2, false},
    {"1x1 512->2048 +res @32", 1, 32, 512, 512, 2048, 1, 1, 1, true},
    {"3x3 256->256 @256", 1, 256, 256, 256, 256, 3, 1, 1, false},
    {"3x3 256->5 @256", 1, 256, 256, 256, 5, 3, 1, 1, false},
    {"3x3 261->512 @64", 1, 64, 261, 272, 512, 3, 1, 1, false},
    {"3x3 261->256 @100x28", 100, 28, 261, 272, 256, 3, 1, 1, false},
    {"3x3 262->256 @100x28", 100, 28, 262, 272, 256, 3, 1, 1, false},
    {"3x3 256->256 @100x28", 100, 28, 256, 256, 256, 3, 1, 1, false},
    {"3x3 256->5 @100x28", 100, 28, 256, 256, 5, 3, 1, 1, false},
    {"3x3 69->64 @100x28", 100, 28, 69, 80, 64, 3, 1, 1, false},
    {"3x3 64->64 @100x28", 100, 28, 64, 64, 64, 3, 1, 1, false},
    {"3x3 64->5 @100x28", 100, 28, 64, 64, 5, 3, 1, 1, false},
    {"lite stem 3x3/2 3->32 @256", 1, 256, 3, 4, 32, 3, 2, 1, false},
    {"lite 1x1 32->16 @128", 1, 128, 32, 32, 16, 1, 1, 1, false},
    {"lite 1x1 16->96 @128", 1, 128, 16, 16, 96, 1, 1, 1, false},
    {"lite 1x1 96->24 @64", 1, 64, 96, 96, 24, 1, 1, 1, false},
    {"lite 1x1 24->144 @64", 1, 64, 24, 32, 144, 1, 1, 1, false},
    {"lite 1x1 240->40 +res @32", 1, 32, 240, 240, 40, 1, 1, 1, true},
    {"lite 1x1 80->480 @16", 1, 16, 80, 80, 480, 1, 1, 1, false},
    {"lite 1x1 672->112 +res @16", 1, 16, 672, 672, 112, 1, 1, 1, true},
    {"lite 1x1 1152->192 @8", 1, 8, 1152, 1152, 192, 1, 1, 1, false},
};

struct DepthwiseCase {
  const char* name;
  int side, channels, kernel, stride;
};

constexpr DepthwiseCase kDepthwiseCases[] = {
    {"dw 3x3 32 @128", 128, 32, 3, 1},   {"dw 3x3/2 96 @128", 128, 96, 3, 2}, {"dw 3x3 144 @64", 64, 144, 3, 1},
    {"dw 5x5/2 144 @64", 64, 144, 5, 2}, {"dw 5x5 240 @32", 32, 240, 5, 1},   {"dw 3x3/2 240 @32", 32, 240, 3, 2},
    {"dw 3x3 480 @16", 16, 480, 3, 1},   {"dw 5x5 672 @16", 16, 672, 5, 1},   {"dw 5x5/2 672 @16", 16, 672, 5, 2},
    {"dw 5x5 1152 @8", 8, 1152, 5, 1},   {"dw 3x3 1152 @8", 8, 1152, 3, 1},
};

struct Options {
  int threads = 1;
  std::string filter;
  double seconds = 0.5;
  bool cpu_clock = false;
};

// Floats aligned as the engine's arena aligns its tensors.
class Floats {
 public:
  explicit Floats(size_t size) : memory_(size + 16), size_(size) {}
  float* data() {
    const size_t misaligned = reinterpret_cast<uintptr_t>(memory_.data()) / sizeof(float) % 16;
    return memory_.data() + (16 - misaligned) % 16;
  }
  size_t size() const { return size_; }
  // The same values with every standard library.
  void fill(std::mt19937& engine) {
    for (size_t i = 0; i < size_; ++i) data()[i] = static_cast<float>(engine() >> 8) / 8388608.0f - 1.0f;
  }

 private:
  std::vector<float> memory_;
  size_t size_;
};

struct Workload {
  Workload(const Case& c, std::mt19937& engine)
      : src(size_t{1} * c.batch * c.side * c.side * c.src_stride),
        weights(size_t{1} * c.out * c.in * c.kernel * c.kernel),
        bias(c.out),
        residual(c.residual ? outputs(c) : 0),
        dst(outputs(c)) {
    for (Floats* floats : {&src, &weights, &bias, &residual}) floats->fill(engine);
    op.desc = {c.in, c.out, c.kernel, c.stride, pad(c), c.dilation, Activation::kRelu};
    packed = Floats(cpu::packed_bytes(op.desc) / sizeof(float));
    op.src = src.data();
    op.batch = {c.batch};
    op.in_h = op.in_w = c.side;
    op.src_stride = c.src_stride;
    op.dst = dst.data();
    op.out_h = op.out_w = out_side(c);
    op.dst_stride = padded(c.out);
    op.residual = c.residual ? residual.data() : nullptr;
    op.residual_stride = padded(c.out);
    op.weights = cpu::pack(op.desc, weights.data(), bias.data(), packed.data());
  }

  static int pad(const Case& c) { return c.dilation * (c.kernel / 2); }
  static int padded(int channels) { return (channels + 15) / 16 * 16; }
  static int out_side(const Case& c) { return (c.side + 2 * pad(c) - c.dilation * (c.kernel - 1) - 1) / c.stride + 1; }
  static size_t outputs(const Case& c) { return size_t{1} * c.batch * out_side(c) * out_side(c) * padded(c.out); }

  double flops() const {
    const double pixels = double{1} * op.batch.room * op.out_h * op.out_w;
    return 2.0 * pixels * op.desc.out_channels * op.desc.in_channels * op.desc.kernel * op.desc.kernel;
  }

  Floats src, weights, bias, residual, dst;
  Floats packed{0};
  ConvOp op;
};

struct DepthwiseWorkload {
  DepthwiseWorkload(const DepthwiseCase& c, std::mt19937& engine)
      : padded((c.channels + 15) / 16 * 16),
        src(size_t{1} * c.side * c.side * padded),
        weights(size_t{1} * c.channels * c.kernel * c.kernel),
        bias(c.channels),
        dst(size_t{1} * (c.side / c.stride) * (c.side / c.stride) * padded) {
    for (Floats* floats : {&src, &weights, &bias}) floats->fill(engine);
    op.desc = {c.channels, c.kernel, c.stride, c.stride == 1 ? c.kernel / 2 : (c.kernel - 2) / 2, Activation::kRelu6};
    packed = Floats(cpu::packed_bytes(op.desc) / sizeof(float));
    op.src = src.data();
    op.in_h = op.in_w = c.side;
    op.src_stride = op.dst_stride = padded;
    op.dst = dst.data();
    op.out_h = op.out_w = c.side / c.stride;
    op.weights = cpu::pack(op.desc, weights.data(), bias.data(), packed.data());
  }
  double flops() const { return 2.0 * op.out_h * op.out_w * op.desc.channels * op.desc.kernel * op.desc.kernel; }
  double bytes() const { return static_cast<double>(src.size() + dst.size()) * sizeof(float); }

  int padded;
  Floats src, weights, bias, dst;
  Floats packed{0};
  DepthwiseOp op;
};

// Compares sampled outputs with the definition, the map's corners among them.
bool verify(DepthwiseWorkload& work, std::mt19937& engine) {
  const DepthwiseOp& p = work.op;
  for (int i = 0; i < 200; ++i) {
    const auto below = [&](int n) { return static_cast<int>(engine() % static_cast<uint32_t>(n)); };
    const int y = i < 4 ? (i & 1) * (p.out_h - 1) : below(p.out_h);
    const int x = i < 4 ? (i >> 1) * (p.out_w - 1) : below(p.out_w);
    const int channel = below(work.op.desc.channels);
    const float expected = sln_naive::depthwise_at<float>(p, work.weights.data(), work.bias.data(), y, x, channel);
    const float got = p.dst[(size_t{1} * y * p.out_w + x) * p.dst_stride + channel];
    if (!(std::fabs(expected - got) <= (cpu::isa() == cpu::Isa::kSse4 ? 1e-4f : 0.0f))) {
      std::printf("%d %d %d: expected %.9g, found %.9g\n", y, x, channel, expected, got);
      return false;
    }
  }
  return true;
}

// Compares sampled outputs, the map's corners among them, with the definition. SSE4 rounds differently.
bool verify(Workload& work, std::mt19937& engine) {
  const ConvOp& p = work.op;
  const bool exact = cpu::isa() != cpu::Isa::kSse4;
  for (int i = 0; i < 200; ++i) {
    const auto below = [&](int n) { return static_cast<int>(engine() % static_cast<uint32_t>(n)); };
    const int item = below(p.batch.room);
    const int y = i < 4 ? (i & 1) * (p.out_h - 1) : below(p.out_h);
    const int x = i < 4 ? (i >> 1) * (p.out_w - 1) : below(p.out_w);
    const int channel = below(work.op.desc.out_channels);
    const float expected = naive::conv_at(p, work.weights.data(), work.bias.data(), item, y, x, channel);
    const size_t pixel = (size_t{1} * item * p.out_h + y) * p.out_w + x;
    const float got = p.dst[pixel * p.dst_stride + channel];
    if (exact ? std::memcmp(&expected, &got, sizeof(float)) != 0 : !(std::fabs(expected - got) <= 1e-3f)) {
      std::printf("%d %d %d %d: expected %.9g, found %.9g\n", item, y, x, channel, expected, got);
      return false;
    }
  }
  return true;
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

// One line of the table; bytes 0: not shown.
void print_case(const char* name, const Samples& samples, double flops, double bytes, double peak) {
  if (samples.kept.empty()) {
    std::printf("%-27s no sample: the processors were never free for it (%d dropped)\n", name, samples.dropped);
    return;
  }
  const double rate = flops / samples.at(0.5);
  std::printf("%-27s %9.3f %9.3f %5zu %7d %9.1f %6.1f%%", name, samples.at(0.5) * 1e3, samples.at(0.9) * 1e3,
              samples.kept.size(), samples.dropped, rate / 1e9, 100 * rate / peak);
  if (bytes > 0) std::printf(" %7.1f GB/s", bytes / samples.at(0.5) / 1e9);
  std::printf("\n");
  std::fflush(stdout);
}

// False where a result is wrong.
template <typename Work, typename Run>
bool run_case(const char* name, Work& work, const Run& body, double bytes, std::mt19937& engine, const Options& options,
              cpu::ThreadPool& pool, double peak) {
  body();
  if (!verify(work, engine)) {
    std::printf("%-27s WRONG\n", name);
    return false;
  }
  print_case(name, time_case(body, pool, options.seconds, options.cpu_clock), work.flops(), bytes, peak);
  return true;
}

int run(const Options& options) {
  cpu::ThreadPool pool(options.threads);
  const double peak = cpu::measure_peak_flops(pool);
  std::printf("%s, %s, %d threads, %s time, compiler %s, measured peak %.1f GFLOP/s\n", processor_name().c_str(),
              cpu::isa_name(cpu::isa()), options.threads, options.cpu_clock ? "processor" : "wall", __VERSION__,
              peak / 1e9);
  std::printf("%-27s %9s %9s %5s %7s %9s %7s\n", "case", "median ms", "p90 ms", "n", "dropped", "GFLOP/s", "of peak");
  std::mt19937 engine(1);
  for (const Case& c : kCases) {
    if (std::string(c.name).find(options.filter) == std::string::npos) continue;
    Workload work(c, engine);
    const auto body = [&] { cpu::run(work.op, nullptr, pool); };
    if (!run_case(c.name, work, body, 0.0, engine, options, pool, peak)) return 1;
  }
  for (const DepthwiseCase& c : kDepthwiseCases) {
    if (std::string(c.name).find(options.filter) == std::string::npos) continue;
    DepthwiseWorkload work(c, engine);
    const auto body = [&] { cpu::run(work.op, nullptr, pool); };
    if (!run_case(c.name, work, body, work.bytes(), engine, options, pool, peak)) return 1;
  }
  return 0;
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
