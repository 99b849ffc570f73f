// A picture of what was found, for people: amodal outlines, visible parts tinted, hidden parts hatched, and a number
// per object by depth (1 = front-most).
#pragma once

#include "apps/image_io.h"
#include "apps/scene.h"

namespace sln::apps {

// Draws onto the image that the scene was found in. `untrained` writes so onto it.
void draw_overlay(Image* image, const Scene& scene, bool untrained);

}  // namespace sln::apps
