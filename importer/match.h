// The rewritten graph against the network that the config describes: every node is claimed by exactly the place in the
// network that it stands for, found by following the data from the outputs back to the image. Names of nodes do not
// matter.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "engine/config.h"
#include "engine/layer_table.h"
#include "importer/graph.h"

namespace sln::importer {

struct LayerWeights {
  Layer layer;
  std::string node;  // name in the file
  ArrayPtr weight;   // (out, in, kernel, kernel)
  ArrayPtr bias;     // (out); null where the layer has none or the exporter dropped one of zeros
};

// Something between the layers that had to say what the config says.
struct GlueProof {
  std::string item;    // "RoiAlign"
  std::string detail;  // "14 x 14 cells, 2 samples, scale 1/4, half_pixel"
  bool by_reading = true;
};

struct Match {
  std::vector<LayerWeights> layers;  // in the order of layer_table()
  std::vector<GlueProof> glue;
  std::vector<std::string> notes;
  // Stage name -> the value that holds it: features, global_layers, rpn_objectness, rpn_deltas (all with a leading 1),
  // boxes, scores, instance_layers, layers, confidence, level; and, where the glue of the proposals could be read,
  // top_k (candidate -> anchor), large (large enough candidate -> candidate), kept (box -> large enough candidate).
  std::map<std::string, ValueId> values;
};

// The stages that a network of this config has: one map per image, and one row per box. What it does not predict is in
// neither.
std::vector<std::string> dense_stages(const Config& config);
std::vector<std::string> per_box_stages(const Config& config);

// The graph has the network's outputs and no others (debug outputs may be there).
void check_outputs(const Graph& graph, const Config& config);

// Throws Error(kFormat) that names file, node, op, what was expected and what was found.
Match match_network(const Graph& graph, const Config& config);

}  // namespace sln::importer
