#include "importer/model.h"

#include "engine/sha256.h"
#include "importer/fingerprint.h"
#include "importer/match.h"

namespace sln::importer {
namespace {

std::string entry(const Graph& graph, const std::string& key, const std::string& absent) {
  const auto found = graph.metadata.find(key);
  return found == graph.metadata.end() ? absent : found->second;
}

std::string required(const Graph& graph, const std::string& key) {
  const auto found = graph.metadata.find(key);
  if (found == graph.metadata.end())
    fail(ErrorKind::kFormat, graph.source, ": metadata key ", key,
         ": expected, since models.export writes it, found none");
  return found->second;
}

bool is_weights_label(const std::string& text) {
  if (text == "trained" || text == "unknown") return true;
  return text.size() > 7 && text.size() < 30 && text.rfind("seeded:", 0) == 0 &&
         text.find_first_not_of("0123456789", 7) == std::string::npos;
}

// Nodes that lead to no output and initializers that no node reads are not understood, so they are not passed over.
void check_all_of_use(const OnnxFile& file) {
  if (!file.unused.empty())
    fail(ErrorKind::kFormat, file.graph.source, ": initializer \"", file.unused[0],
         "\": expected a node that reads it, found none");
  Graph live = file.graph;
  live.drop_dead();
  if (live.nodes.size() == file.graph.nodes.size()) return;
  for (const auto& node : file.graph.nodes) {
    bool alive = false;
    for (const auto& other : live.nodes) alive |= other->outputs == node->outputs;
    if (!alive) fail_node(file.graph, *node, "expected a way to an output of the graph, found none");
  }
}

}  // namespace

ModelInfo read_model_info(const OnnxFile& file) {
  const Graph& graph = file.graph;
  ModelInfo info;
  info.config_json = required(graph, "sln.config");
  const std::string expected = required(graph, "sln.config_sha256"), found = sha256_hex(info.config_json);
  if (expected != found)
    fail(ErrorKind::kFormat, graph.source, ": metadata key sln.config: expected a text of SHA-256 ", expected,
         ", found ", found);
  info.config = parse_config(info.config_json, graph.source + ": sln.config");
  info.weights = entry(graph, "sln.weights", "unknown");
  if (!is_weights_label(info.weights))
    fail(ErrorKind::kFormat, graph.source, ": metadata key sln.weights: expected seeded:N, trained or unknown, found ",
         info.weights);
  info.exporter = entry(graph, "sln.exporter", "unknown");
  info.fingerprint = entry(graph, "sln.fingerprint", "");
  if (!info.fingerprint.empty()) parse_fingerprint(info.fingerprint, info.config, graph.source + ": sln.fingerprint");
  check_outputs(graph, info.config);
  check_all_of_use(file);
  return info;
}

}  // namespace sln::importer
