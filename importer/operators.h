// The table of ONNX operators that the importer knows: what a node of each may look like and how it is evaluated in
// double precision, naively. Whatever is not in the table cannot be imported.
#pragma once

#include <string>
#include <vector>

#include "importer/graph.h"

namespace sln::importer {

struct EvaluationContext {
  int threads = 1;  // of the convolutions
};

// Inputs that are left out are null. A node's parameters may come as constant inputs or as attributes.
using ArrayRefs = std::vector<const Array*>;
using Evaluate = std::vector<Array> (*)(const Node&, const ArrayRefs&, const EvaluationContext&);

struct Operator {
  size_t min_inputs = 0;
  size_t max_inputs = 0;
  size_t max_outputs = 1;
  std::vector<std::string> attributes;  // that a file may give
  Evaluate evaluate = nullptr;
};

// Null for an operator that is not known.
const Operator* find_operator(const std::string& op);
// True for operators that only passes make; a file must not contain them.
bool is_internal_operator(const std::string& op);

using OperatorTable = std::map<std::string, Operator>;
// The groups of the table, one file reference_<group>.cpp each.
void add_convolution_operators(OperatorTable& table);
void add_elementwise_operators(OperatorTable& table);
void add_pooling_operators(OperatorTable& table);
void add_reduction_operators(OperatorTable& table);
void add_selection_operators(OperatorTable& table);
void add_shape_operators(OperatorTable& table);

// What evaluators share.

// Maps a possibly negative axis into [0, rank); Error(kFormat) outside.
size_t resolve_axis(int64_t axis, size_t rank);
// Elements from one index of dimension `axis` to the next, and the like.
int64_t product(const Dims& dims, size_t begin, size_t end);
// A list of whole numbers given as attribute `name` or as input `index`; `absent` where neither is there.
std::vector<int64_t> whole_parameter(const Node& node, const ArrayRefs& inputs, size_t index, const std::string& name,
                                     const std::vector<int64_t>& absent);
// A scalar given as attribute `name` or as input `index`.
double real_parameter(const Node& node, const ArrayRefs& inputs, size_t index, const std::string& name, double absent);
// Numpy broadcasting of two shapes; Error(kFormat) where they do not fit.
Dims broadcast(const Dims& a, const Dims& b);

}  // namespace sln::importer
