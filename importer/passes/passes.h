// The rewrites, one per file. Each keeps what the graph computes (up to rounding), returns how often it applied, and
// leaves the graph topologically sorted. Values that survive keep their ids, so what a value of the original graph
// means can still be asked of the rewritten one. All expect shapes as infer_shapes() fills them.
#pragma once

#include "importer/graph.h"

namespace sln::importer {

// ---- Canonical form: one way to say each thing, whichever exporter said it ----

// Nodes of constants, and Shape of a map whose size is known, become constants (rounded to their type).
int fold_constants(Graph& graph);
// Constant inputs that are parameters (axes, bounds, thresholds, sizes) become attributes.
int inline_parameters(Graph& graph);
// Negative axes and bounds become positive, bounds beyond the end become the end, where shapes are known.
int normalise_axes(Graph& graph);
// Drops nodes that change nothing: Identity, Pad by 0, Cast to the same type, whole Slices, Reshape to the same shape.
int remove_identities(Graph& graph);
// GatherND of rows (its indices are an Unsqueeze'd list) -> Gather along axis 0.
int gather_nd_to_gather(Graph& graph);
// Gather of consecutive constant indices -> Slice, of a constant scalar -> Slice and Squeeze.
int gather_to_slice(Graph& graph);
// Slice of a Concat that falls onto whole inputs of it -> these inputs.
int slice_of_concat(Graph& graph);
// Expand of a constant scalar -> ConstantOfShape.
int expand_to_constant_of_shape(Graph& graph);
// Unsqueeze of Unsqueeze -> one Unsqueeze.
int merge_unsqueezes(Graph& graph);
// Reshape to one dimension of what has only one that is not 1 -> Squeeze.
int reshape_to_squeeze(Graph& graph);

// Runs the above until nothing changes.
void canonicalise(Graph& graph);

// ---- Rewrites that save work ----

// Pad of rows and columns by zeros in front of a Conv goes into the Conv's own pads.
int fold_pads(Graph& graph);
// Relu, then Clip or Min to an upper bound -> one Clip from 0.
int merge_relu_clip(Graph& graph);
// BatchNormalization behind a convolution goes into its weights and bias, in double.
int fold_batch_norm(Graph& graph);
// Conv, added constant per channel, Relu or Clip to 0..6 -> FusedConv.
int fuse_conv_bias_activation(Graph& graph);
// FusedConv, Add of a map of its shape, Relu -> FusedConv with a residual. Where both summands are convolutions, the
// one deeper in the graph takes the other's output. A sum without Relu goes into a 1x1 convolution only (the projection
// of an inverted residual); else it stays an Add.
int fuse_residual_add(Graph& graph);
// A 1x1 convolution over concatenated maps, some of them enlarged by a linear Resize, commutes with the resize: each
// map gets its slice of the weights at its own size, and the results are enlarged and summed. The first map that is not
// resized keeps bias and activation and adds the sum as its residual.
int fuse_low_resolution(Graph& graph);

// Canonical form and all rewrites.
void rewrite(Graph& graph);

}  // namespace sln::importer
