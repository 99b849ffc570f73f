// What the pages of the matcher share: the parts that every network has.
#pragma once

#include <map>
#include <string>

#include "importer/walker.h"

namespace sln::importer {

class NetworkParts {
 protected:
  explicit NetworkParts(Walker& walker) : w_(walker), c_(walker.config), planes_(walker.config.layers + 1) {}

  ValueId& value(const std::string& name) { return w_.result.values[name]; }

  void read_outputs();
  void match_confidence();                    // 1 - plane 0 of layers, clipped
  ValueId match_roi_align(ValueId rois);      // returns the map that it reads
  void match_first(const std::string& name);  // output `name` is the one image of the value of that name
  void match_debug_outputs();

  Walker& w_;
  const Config& c_;
  const int64_t planes_;  // K + 1
  std::map<std::string, ValueId> outputs_;

 private:
  void match_plane_0(const Node& reader);
  void match_batch_index(ValueId index);
};

// The networks "arcnn" and "arcnn-visible", whole.
void match_mask_network(Walker& walker);

}  // namespace sln::importer
