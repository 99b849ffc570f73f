#include "apps/progress.h"

#include <unistd.h>

#include <cstdio>

#include "apps/failure.h"

namespace sln::apps {

Progress::Progress(int total) : total_(total), terminal_(isatty(STDOUT_FILENO) != 0) {}

void Progress::step(const std::string& name, const std::string& what) {
  ++done_;
  if (!terminal_) {
    print(text("[", done_, "/", total_, "] ", name, ": ", what, "\n"));
    std::fflush(stdout);
    return;
  }
  constexpr int kCells = 30;
  const int full = static_cast<int>(static_cast<long long>(kCells) * done_ / total_);
  const std::string bar =
      std::string(static_cast<size_t>(full), '#') + std::string(static_cast<size_t>(kCells - full), '.');
  clear();
  print(text("[", bar, "] ", done_, "/", total_, "  ", name, ": ", what));
  std::fflush(stdout);
  shown_ = true;
  if (done_ == total_) {
    print("\n");
    shown_ = false;
  }
}

void Progress::clear() {
  if (shown_) print("\r\x1B[K");
  std::fflush(stdout);
  shown_ = false;
}

void print(const std::string& text) {
  std::fwrite(text.data(), 1, text.size(), stdout);
}

void print_error(const std::string& line) {
  std::string out = "sln: ";
  for (char c : line) out += c == '\n' || c == '\r' ? ' ' : c;
  out += '\n';
  std::fflush(stdout);
  std::fwrite(out.data(), 1, out.size(), stderr);
}

}  // namespace sln::apps
