// Naive double-precision evaluation of a graph: the importer's own truth about what an ONNX file computes.
#pragma once

#include <map>
#include <vector>

#include "importer/graph.h"

namespace sln::importer {

// Evaluates one node. Throws Error that names file and node.
std::vector<Array> evaluate_node(const Graph& graph, const Node& node, const std::vector<const Array*>& inputs,
                                 int threads = 1);

// Evaluates what `wanted` needs, on the given graph inputs. Arrays are freed after their last use.
// Returns one array per wanted value.
std::map<ValueId, Array> evaluate(const Graph& graph, const std::map<ValueId, Array>& feeds,
                                  const std::vector<ValueId>& wanted, int threads = 1);

}  // namespace sln::importer
