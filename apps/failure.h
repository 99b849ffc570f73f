// What the command line reports as one line on stderr: the text names the file (or option), what was expected and what
// was found.
#pragma once

#include <locale>
#include <sstream>
#include <stdexcept>
#include <string>

namespace sln::apps {

// Exit statuses of every subcommand.
constexpr int kExitDone = 0;
constexpr int kExitFailed = 1;      // wrong usage, or nothing could be done
constexpr int kExitSomeFailed = 2;  // some images failed, the others are done

class Failure : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// Concatenates its arguments as text in the classic locale.
template <typename... Parts>
std::string text(const Parts&... parts) {
  std::ostringstream out;
  out.imbue(std::locale::classic());
  (void)(out << ... << parts);
  return out.str();
}

template <typename... Parts>
[[noreturn]] void fail(const Parts&... parts) {
  throw Failure(text(parts...));
}

}  // namespace sln::apps
