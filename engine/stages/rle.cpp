#include "engine/stages/rle.h"

namespace sln {

void compress_runs(const Runs& runs, std::string& text) {
  text.clear();
  for (size_t i = 0; i < runs.size(); ++i) {
    // From the fourth on, a run is told by its difference from the last one of its kind.
    int64_t value = runs[i];
    if (i > 2) value -= runs[i - 2];
    for (bool more = true; more;) {
      const int group = static_cast<int>(value & 0x1f);        // two's complement, lowest bits first
      value = value >= 0 ? value / 32 : -((31 - value) / 32);  // a shift by 5 that keeps the sign
      more = (group & 0x10) != 0 ? value != -1 : value != 0;
      text.push_back(static_cast<char>((more ? group | 0x20 : group) + 48));
    }
  }
}

}  // namespace sln
