#include "trainer/arena_picture.hpp"

#include "trainer/text.hpp"

#include <algorithm>
#include <array>
#include <cstdint>

namespace leadline::trainer {

namespace {

/// The buffer at a byte and a step; null if it is free.
const ArenaBuffer* buffer_at(const ArenaPicture& arena, std::size_t byte, int step) {
  for (const ArenaBuffer& buffer : arena.buffers)
    if (buffer.first <= step && step <= buffer.last && buffer.offset <= byte && byte < buffer.offset + buffer.bytes)
      return &buffer;
  return nullptr;
}

std::string kib(std::size_t bytes) { return decimals(static_cast<double>(bytes) / 1024, 1); }

} // namespace

ArenaPicture arena_picture(const Model& model, const Session& session) {
  const leadline_session_info info = session.info();
  ArenaPicture arena;
  arena.bytes = info.arena_bytes - info.prepared_bytes;
  arena.steps = model.info().nodes;
  const auto add = [&](const ArenaBuffer& buffer) {
    if (buffer.bytes == 0) return;
    for (ArenaBuffer& other : arena.buffers)
      if (other.offset == buffer.offset && other.bytes == buffer.bytes && other.first == buffer.first &&
          other.last == buffer.last && other.scratch == buffer.scratch) {
        other.name += ", " + buffer.name;
        return;
      }
    arena.buffers.push_back(buffer);
  };
  for (int32_t i = -1; i < arena.steps; ++i) {
    leadline_node_plan plan{};
    plan.struct_size = sizeof plan;
    leadline_node_info node{};
    node.struct_size = sizeof node;
    if (leadline_session_get_node(session.get(), i, &plan) != LEADLINE_OK) continue;
    if (i >= 0 && leadline_model_get_node(model.get(), i, &node) != LEADLINE_OK) continue;
    const std::string name = i < 0 ? "input" : node.name;
    add({name, false, plan.arena_offset, plan.arena_bytes, plan.first_node, plan.last_node});
    if (i >= 0)
      add({name, true, plan.workspace_offset, plan.workspace_bytes, plan.first_of_strips, plan.last_of_strips});
  }
  return arena;
}

std::string arena_text(const ArenaPicture& arena, int columns, int rows) {
  if (arena.bytes == 0 || arena.steps == 0) return "nothing lies in the arena\n";
  const std::string letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
  const auto letter = [&](const ArenaBuffer* buffer) {
    if (!buffer) return '.';
    if (buffer->scratch) return '~';
    return letters[static_cast<std::size_t>(buffer - arena.buffers.data()) % letters.size()];
  };
  // A step takes as many letters as fit; where there are too many steps, a letter stands for several.
  const int wide = std::min(std::max(columns / arena.steps, 1), 4);
  const int shown = std::min(arena.steps * wide, columns);
  std::string text;
  for (int row = rows - 1; row >= 0; --row) {
    const auto low = static_cast<std::size_t>(static_cast<double>(arena.bytes) * row / rows);
    const auto middle = static_cast<std::size_t>(static_cast<double>(arena.bytes) * (row + 0.5) / rows);
    const std::string label = kib(low);
    text += std::string(label.size() < 10 ? 10 - label.size() : 0, ' ') + label + " |";
    for (int column = 0; column < shown; ++column)
      text += letter(buffer_at(arena, middle, column * arena.steps / shown));
    text += '\n';
  }
  text += std::string(8, ' ') + "KiB +" + std::string(static_cast<std::size_t>(shown), '-') + " layers 0 to " +
          std::to_string(arena.steps - 1) + "; ~ scratch, . free\n";

  std::vector<const ArenaBuffer*> largest;
  for (const ArenaBuffer& buffer : arena.buffers)
    if (!buffer.scratch) largest.push_back(&buffer);
  std::stable_sort(largest.begin(), largest.end(),
                   [](const ArenaBuffer* a, const ArenaBuffer* b) { return a->bytes > b->bytes; });
  constexpr std::size_t explained = 12, longest_name = 60;
  for (std::size_t i = 0; i < std::min(largest.size(), explained); ++i) {
    const ArenaBuffer& buffer = *largest[i];
    const std::string name =
        buffer.name.size() <= longest_name ? buffer.name : buffer.name.substr(0, longest_name - 3) + "...";
    text += std::string("  ") + letter(&buffer) + " " + kib(buffer.bytes) + " KiB, layers " +
            std::to_string(buffer.first) + " to " +
            (buffer.last >= arena.steps ? "the end" : std::to_string(buffer.last)) + ": " + name + "\n";
  }
  if (largest.size() > explained) text += "  and " + std::to_string(largest.size() - explained) + " smaller ones\n";
  return text;
}

data::RgbImage arena_image(const ArenaPicture& arena) {
  using Colour = std::array<std::uint8_t, 3>;
  constexpr Colour white{255, 255, 255}, line{255, 255, 255}, scratch{90, 90, 90}, free{232, 232, 232};
  constexpr Colour palette[] = {{0, 114, 178},  {230, 159, 0}, {0, 158, 115}, {204, 121, 167},
                                {86, 180, 233}, {213, 94, 0},  {240, 228, 66}};
  constexpr int height = 480, wanted_width = 960, margin = 8;
  const int steps = std::max(arena.steps, 1), step = std::max(wanted_width / steps, 2);
  data::RgbImage image(height + 2 * margin, step * steps + 2 * margin, 255, 255, 255);
  const auto put = [&](int y, int x, const Colour& colour) {
    std::copy(colour.begin(), colour.end(), image.pixel(margin + height - 1 - y, margin + x));
  };
  const ArenaBuffer* below = nullptr;
  for (int x = 0; x < step * steps; ++x)
    for (int y = 0; y < height; ++y) {
      const auto byte = static_cast<std::size_t>(static_cast<double>(arena.bytes) * (y + 0.5) / height);
      const ArenaBuffer* buffer = buffer_at(arena, byte, x / step);
      const bool edge = buffer && ((y > 0 && below != buffer) || (x / step == buffer->first && x % step == 0));
      below = buffer;
      if (!buffer)
        put(y, x, arena.bytes == 0 ? white : free);
      else if (edge)
        put(y, x, line);
      else
        put(y, x,
            buffer->scratch ? scratch
                            : palette[static_cast<std::size_t>(buffer - arena.buffers.data()) % std::size(palette)]);
    }
  return image;
}

} // namespace leadline::trainer
