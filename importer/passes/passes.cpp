#include "importer/passes/passes.h"

#include "importer/shapes.h"

namespace sln::importer {
namespace {

using Pass = int (*)(Graph&);

// Applies the passes in turn until none changes anything.
void run_to_fixpoint(Graph& graph, const std::vector<Pass>& passes) {
  constexpr int kMaxRounds = 1000;  // every pass makes the graph smaller or more canonical, so this is never reached
  for (int round = 0; round < kMaxRounds; ++round) {
    int changes = 0;
    for (const Pass pass : passes) {
      changes += pass(graph);
      graph.drop_dead();
      graph.sort();
      infer_shapes(graph);
    }
    if (changes == 0) return;
  }
  fail(ErrorKind::kInternal, graph.source, ": the rewrites do not come to rest");
}

}  // namespace

void canonicalise(Graph& graph) {
  infer_shapes(graph);
  run_to_fixpoint(
      graph, {fold_constants, inline_parameters, normalise_axes, remove_identities, gather_nd_to_gather,
              gather_to_slice, expand_to_constant_of_shape, merge_unsqueezes, reshape_to_squeeze, slice_of_concat});
}

void rewrite(Graph& graph) {
  canonicalise(graph);
  run_to_fixpoint(graph, {fold_pads, merge_relu_clip, fold_batch_norm, fuse_conv_bias_activation, fuse_residual_add,
                          fuse_low_resolution});
}

}  // namespace sln::importer
