// A session's arena as a picture: which buffer lies where (up) and when (to the right), from the plan's own numbers.
#pragma once

#include "data/image_io.hpp"

#include <leadline/leadline.hpp>

#include <cstddef>
#include <string>
#include <vector>

namespace leadline::trainer {

/// Something that takes bytes [offset, offset + bytes) while nodes first to last run.
struct ArenaBuffer {
  std::string name;     ///< of the nodes whose outputs lie there: "in.conv, in.pool"
  bool scratch = false; ///< a node's workspace
  std::size_t offset = 0, bytes = 0;
  int first = 0, last = 0;
};

struct ArenaPicture {
  std::size_t bytes = 0; ///< of values and scratch; prepared weights, which lie above, never change
  int steps = 0;         ///< nodes
  std::vector<ArenaBuffer> buffers;
  std::string network;            ///< its name
  std::vector<std::string> nodes; ///< their names
};

/// What the session's plan says.
ArenaPicture arena_picture(const Model& model, const Session& session);

/// `rows` lines of at most `columns` letters, one letter for each buffer, '~' for scratch, '.' for bytes that nobody
/// has then, and what the letters of the largest buffers mean.
std::string arena_text(const ArenaPicture& arena, int columns = 96, int rows = 20);

/// The same in colours (those of the charts; scratch is dark grey), with axes: bytes upwards, nodes to the right, their
/// names beneath and those of the buffers inside, where there is room. One column of pixels or more for each node.
data::RgbImage arena_image(const ArenaPicture& arena);

} // namespace leadline::trainer
