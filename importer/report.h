// Numbers for the report of an import.
#pragma once

#include "engine/config.h"
#include "importer/graph.h"

namespace sln::importer {

// Multiply-accumulates of the graph's convolutions for one image, with max_rois RoIs where their number is open.
int64_t count_macs(const Graph& graph, const Config& config);

}  // namespace sln::importer
