// The picture that sln bench works on where no image is given.
#pragma once

#include "apps/image_io.h"

namespace sln::apps {

// side x side pixels: discs and boxes that overlap on a gradient, by an integer formula, so that it is the same
// everywhere.
Image draw_test_picture(int side);

}  // namespace sln::apps
