// Changes the order of nodes where the answer stays and the work shrinks. Host only, uses the standard library; the
// edge library doesn't see it.
#pragma once

#include "shared/model/graph_builder.hpp"

namespace leadline {

/// A 1x1 convolution that reads a nearest-neighbour up-sampling, and is its only reader, runs before it: each of its
/// results would be computed once for every copy of a pixel. The same bits, with a quarter of the products at scale 2.
void up_sample_late(Graph* graph);

/// Puts the nodes in the order in which the plan of an inference pass takes least memory, among those that a bounded
/// search finds; the order stays where none is better. Every node computes what it did, so no bit changes.
///
/// The search is over the sets of nodes that can have run, by their number; of each set the best order is kept (dynamic
/// programming as in B. H. Ahn et al., "Ordering chaos: memory-aware scheduling of irregularly wired neural networks
/// for edge devices", 2020), of each number of nodes the best sets. What it finds counts only if the real planner
/// agrees.
void least_memory_order(Graph* graph);

} // namespace leadline
