// Tells on standard output how far a run is: a bar on a terminal, one line per image otherwise.
#pragma once

#include <string>

namespace sln::apps {

class Progress {
 public:
  explicit Progress(int total);
  // An image is done, or failed: `text` says what came out.
  void step(const std::string& name, const std::string& text);
  // Clears the bar, so that other lines may be written.
  void clear();

 private:
  int total_;
  int done_ = 0;
  bool terminal_;
  bool shown_ = false;
};

// Writes to standard output resp. one line to standard error; the latter takes line breaks out of the text.
void print(const std::string& text);
void print_error(const std::string& text);

}  // namespace sln::apps
