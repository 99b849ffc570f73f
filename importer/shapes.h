// Static shapes and types of a graph's values, as far as they follow from the graph input.
#pragma once

#include <optional>
#include <vector>

#include "importer/graph.h"

namespace sln::importer {

// Fills type and shape of every value that it can. Dimensions that only a run can tell are kUnknownDim; values of
// unknown rank keep has_shape false. Where shapes contradict each other, graph.shape_errors tells and a guess stands
// in: the node at fault is often an earlier one, which the matcher can name.
void infer_shapes(Graph& graph);

// Whole numbers that parametrise a node: attribute `name`, or the constant input `index`; nothing where neither is
// there.
std::optional<std::vector<int64_t>> constant_parameter(const Graph& graph, const Node& node, size_t index,
                                                       const std::string& name);

}  // namespace sln::importer
