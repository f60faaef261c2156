// Changes the order of nodes where the answer stays and the work shrinks. Host only, uses the standard library; the
// edge library doesn't see it.
#pragma once

#include "shared/model/graph_builder.hpp"

namespace leadline {

/// A 1x1 convolution that reads a nearest-neighbour up-sampling, and is its only reader, runs before it: each of its
/// results would be computed once for every copy of a pixel. The same bits, with a quarter of the products at scale 2.
void up_sample_late(Graph* graph);

} // namespace leadline
