// run(op) of every op: as its header defines it, in float, one loop after the other.
#pragma once

#include "tests/naive/conv.h"
#include "tests/naive/depthwise.h"
#include "tests/naive/mask_planes.h"
#include "tests/naive/planes.h"
#include "tests/naive/pool.h"
#include "tests/naive/proposals.h"
#include "tests/naive/resize.h"
#include "tests/naive/roi_align.h"
#include "tests/naive/semdist.h"
#include "tests/naive/upsample_sum.h"
