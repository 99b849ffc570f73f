// The window of a pooling or a convolution on a map.
#pragma once

#include "kernels/hd.h"

namespace sln {

// The indices [begin, end) of a window on one axis that lie on the map; none where begin >= end.
struct Span {
  int begin, end;
};

// first: index of the window's first place, which may be before the map.
SLN_HD inline Span on_map(int first, int kernel, int size) {
  return {first > 0 ? first : 0, first + kernel < size ? first + kernel : size};
}

}  // namespace sln
