// What the parts of the matcher share: following values to the nodes that make them, and claiming these.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "importer/match.h"

namespace sln::importer {

// The graph is built otherwise than expected (not: an attribute has a wrong value).
class StructureError : public Error {
 public:
  explicit StructureError(const std::string& text) : Error(ErrorKind::kFormat, text) {}
};

class Walker {
 public:
  Walker(const Graph& graph, const Config& config);

  const Graph& graph;
  const Config& config;
  Match result;

  // The node that makes `value`, claimed; StructureError where it is not an `op`. `role` says what it would be.
  const Node& claim(ValueId value, const std::string& op, const std::string& role);
  // The same where it is an `op`, else null.
  const Node* claim_if(ValueId value, const std::string& op);
  // StructureError unless both are one value.
  void same(const Node& node, ValueId found, ValueId expected, const std::string& what);

  // Claims the convolution that makes `value` as layer `name` of the table; checks everything that the table says,
  // keeps its weights and returns it. Inputs: 0 is its map, 3 its residual.
  const Node& layer(ValueId value, const std::string& name);
  bool has_layer(const std::string& name) const { return table_.count(name) != 0; }

  // Attribute checks; an error names node, attribute, expected and found.
  void check(const Node& node, const std::string& what, int64_t found, int64_t expected) const;
  void check(const Node& node, const std::string& what, const std::vector<int64_t>& found,
             const std::vector<int64_t>& expected) const;
  void check(const Node& node, const std::string& what, const std::string& found, const std::string& expected) const;
  void check_real(const Node& node, const std::string& what, double found, double expected) const;  // as float32
  // Of output 0; -1 is any size. Judged in finish(), since a wrong stride shows in all shapes behind it.
  void check_shape(const Node& node, const Dims& expected) { shapes_.emplace_back(&node, expected); }

  // The operand of a node with two inputs that is not constant; the constant must broadcast and hold `expected` (one
  // element, or as many as given). `constant_first`: the constant must be input 0.
  ValueId operand_of(const Node& node, const std::vector<double>& expected, bool constant_first = false) const;
  // Input of a claimed Slice of one axis with these bounds.
  ValueId slice(ValueId value, int64_t axis, int64_t start, int64_t end, const std::string& role);

  void prove(const std::string& item, const std::string& detail) { result.glue.push_back({item, detail, true}); }
  // Error naming a node that nobody claimed.
  void finish();

  std::set<const Node*> claimed;

 private:
  void judge_shape(const Node& node, const Dims& expected) const;
  void check_layer(const Node& node, const Layer& expected) const;
  void check_weights(const Node& node, const Layer& expected, const ArrayPtr& weight, const ArrayPtr& bias);

  std::map<std::string, Layer> table_;
  std::map<std::string, LayerWeights> found_;
  std::vector<std::pair<const Node*, Dims>> shapes_;
  bool zero_biases_dropped_ = false;  // dynamo leaves out biases that are all 0
};

// C2..C5, F and what is behind it, back to the image.
void match_encoder(Walker& walker, ValueId features);
// Boxes and scores back to the RPN's two convolutions and these back to `context`, concat(F, G) or F alone.
void match_proposals(Walker& walker, ValueId boxes, ValueId scores, ValueId context);

}  // namespace sln::importer
