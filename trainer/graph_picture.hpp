// A network's graph as a picture: DOT text, and SVG made of it by Graphviz.
#pragma once

#include "shared/model/graph_builder.hpp"

namespace leadline::trainer {

/// The graph in Graphviz' language (https://graphviz.org/doc/info/lang.html): a box for each layer, together with norms
/// and activations that alone read its result, with its name, what it does and the shape [N,H,W,C] of its result for
/// the graph's own input; an arrow for each value that a box reads.
std::string dot_text(const Graph& graph);

/// Writes FILE.dot, or FILE.svg through the program `dot`, which has to be installed. The file appears whole or not at
/// all. Throws leadline::Error for other names, without `dot`, and where nothing can be written.
void write_graph_picture(const std::string& file, const Graph& graph);

} // namespace leadline::trainer
