// Times the convolution on the shapes of the network (r50 at side 1024) and on a few that stress it.
//
//   ops_benchmark [--threads N] [--filter TEXT] [--seconds S] [--clock wall|cpu]
//
// Each case is first verified on sampled outputs against the definition, then warmed up and run for at least S seconds.
// FLOPs are 2 * outputs * window * channels, of the real channels; the peak is measured in the same run. A sample
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
#include "kernels/isa.h"
#include "tests/naive/conv.h"

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
    desc = {c.in, c.out, c.kernel, c.stride, pad(c), c.dilation, Activation::kRelu};
    packed = cpu::pack_conv(desc, weights.data(), bias.data());
    params.src = src.data();
    params.batch = c.batch;
    params.in_h = params.in_w = c.side;
    params.src_stride = c.src_stride;
    params.dst = dst.data();
    params.out_h = params.out_w = out_side(c);
    params.dst_stride = padded(c.out);
    params.residual = c.residual ? residual.data() : nullptr;
    params.residual_stride = padded(c.out);
    params.weights = packed.get();
  }

  static int pad(const Case& c) { return c.dilation * (c.kernel / 2); }
  static int padded(int channels) { return (channels + 15) / 16 * 16; }
  static int out_side(const Case& c) { return (c.side + 2 * pad(c) - c.dilation * (c.kernel - 1) - 1) / c.stride + 1; }
  static size_t outputs(const Case& c) { return size_t{1} * c.batch * out_side(c) * out_side(c) * padded(c.out); }

  double flops() const {
    const double pixels = double{1} * params.batch * params.out_h * params.out_w;
    return 2.0 * pixels * desc.out_channels * desc.in_channels * desc.kernel * desc.kernel;
  }

  Floats src, weights, bias, residual, dst;
  ConvDesc desc;
  ConvParams params;
  std::unique_ptr<PackedConv> packed;
};

// Compares sampled outputs, the map's corners among them, with the definition. SSE4 rounds differently.
bool verify(Workload& work, std::mt19937& engine) {
  const ConvParams& p = work.params;
  const bool exact = cpu::isa() != cpu::Isa::kSse4;
  for (int i = 0; i < 200; ++i) {
    const auto below = [&](int n) { return static_cast<int>(engine() % static_cast<uint32_t>(n)); };
    const int item = below(p.batch);
    const int y = i < 4 ? (i & 1) * (p.out_h - 1) : below(p.out_h);
    const int x = i < 4 ? (i >> 1) * (p.out_w - 1) : below(p.out_w);
    const int channel = below(work.desc.out_channels);
    const float expected = naive::conv_at(work.desc, p, work.weights.data(), work.bias.data(), item, y, x, channel);
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

Samples time_case(Workload& work, cpu::ThreadPool& pool, double seconds, bool cpu_clock) {
  using Clock = std::chrono::steady_clock;
  Samples samples;
  double kept = 0;
  double total = 0;
  // On a machine that is never quiet this ends as well, and says so.
  while ((kept < seconds || samples.kept.size() < 3) && total < 10 * seconds) {
    const double cpu_start = cpu_seconds(pool.threads());
    const Clock::time_point start = Clock::now();
    cpu::conv(work.desc, work.params, pool);
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

int run(const Options& options) {
  cpu::ThreadPool pool(options.threads);
  const double peak = cpu::measure_peak_flops(options.threads);
  std::printf("%s, %s, %d threads, %s time, compiler %s, measured peak %.1f GFLOP/s\n", processor_name().c_str(),
              cpu::isa_name(cpu::isa()), options.threads, options.cpu_clock ? "processor" : "wall", __VERSION__,
              peak / 1e9);
  std::printf("%-24s %9s %9s %5s %7s %9s %7s\n", "case", "median ms", "p90 ms", "n", "dropped", "GFLOP/s", "of peak");
  std::mt19937 engine(1);
  for (const Case& c : kCases) {
    if (std::string(c.name).find(options.filter) == std::string::npos) continue;
    Workload work(c, engine);
    cpu::conv(work.desc, work.params, pool);
    if (!verify(work, engine)) {
      std::printf("%-24s WRONG\n", c.name);
      return 1;
    }
    const Samples samples = time_case(work, pool, options.seconds, options.cpu_clock);
    if (samples.kept.empty()) {
      std::printf("%-24s no sample: the processors were never free for it (%d dropped)\n", c.name, samples.dropped);
      continue;
    }
    const double rate = work.flops() / samples.at(0.5);
    std::printf("%-24s %9.3f %9.3f %5zu %7d %9.1f %6.1f%%\n", c.name, samples.at(0.5) * 1e3, samples.at(0.9) * 1e3,
                samples.kept.size(), samples.dropped, rate / 1e9, 100 * rate / peak);
    std::fflush(stdout);
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
