#include "trainer/arena_picture.hpp"

#include "data/picture.hpp"
#include "trainer/text.hpp"

#include <algorithm>
#include <cmath>
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
  arena.network = model.info().name;
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
    if (i >= 0) arena.nodes.push_back(name);
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

namespace {

using data::Colour;
constexpr Colour ink{27, 31, 38}, faint{89, 97, 110}, white{255, 255, 255}, scratch{90, 90, 90},
    free_bytes{232, 232, 232};
constexpr Colour palette[] = {{0, 114, 178},  {230, 159, 0}, {0, 158, 115}, {204, 121, 167},
                              {86, 180, 233}, {213, 94, 0},  {240, 228, 66}};
constexpr int letter_height = 7, letter_width = 6;

void fill(data::RgbImage& image, int y, int x, int height, int width, const Colour& colour) {
  for (int v = std::max(y, 0); v < std::min(y + height, image.height); ++v)
    for (int u = std::max(x, 0); u < std::min(x + width, image.width); ++u) {
      std::uint8_t* pixel = image.pixel(v, u);
      pixel[0] = colour.r;
      pixel[1] = colour.g;
      pixel[2] = colour.b;
    }
}

/// A text that reads upwards, its end at the top: for names that are wider than their column.
void draw_upwards(data::RgbImage& image, int top, int x, const std::string& text, const Colour& colour) {
  data::RgbImage flat(letter_height, data::text_width(text), 255, 255, 255);
  data::draw_text(flat, 0, 0, text, colour);
  data::paste(image, data::apply_orientation(flat, 8), x, top);
}

/// Not longer than so many letters.
std::string shortened(const std::string& text, std::size_t letters) {
  return text.size() <= letters ? text : letters < 8 ? "" : text.substr(0, letters - 2) + "..";
}

/// The smallest of 1, 2, 5, 10, ... that is at least `least`.
double round_step(double least) {
  const double power = std::pow(10.0, std::floor(std::log10(least)));
  for (const double factor : {1.0, 2.0, 5.0})
    if (factor * power >= least * (1 - 1e-9)) return factor * power;
  return 10 * power;
}

} // namespace

data::RgbImage arena_image(const ArenaPicture& arena) {
  constexpr int height = 480, wanted_width = 960, left = 64, top = 34, right = 16, longest_name = 24;
  const int steps = std::max(arena.steps, 1), step = std::max(wanted_width / steps, 2), width = step * steps;
  const bool names = step >= letter_height + 2;
  std::size_t longest = 0;
  for (const std::string& name : arena.nodes) longest = std::max(longest, name.size());
  const int below = names ? letter_width * static_cast<int>(std::min<std::size_t>(longest, longest_name)) + 6 : 0;
  data::RgbImage image(top + height + 20 + below + 14, left + width + right, 255, 255, 255);

  // What lies where
  const auto row_of = [&](std::size_t byte) {
    const double part = arena.bytes > 0 ? static_cast<double>(byte) / static_cast<double>(arena.bytes) : 0;
    return top + height - static_cast<int>(part * height + 0.5);
  };
  const auto byte_of = [&](int y) {
    return static_cast<std::size_t>(static_cast<double>(arena.bytes) * (top + height - y - 0.5) / height);
  };
  const auto colour_of = [&](const ArenaBuffer& buffer) {
    return buffer.scratch ? scratch
                          : palette[static_cast<std::size_t>(&buffer - arena.buffers.data()) % std::size(palette)];
  };
  fill(image, top, left, height, width, free_bytes);
  for (int s = 0; s < arena.steps; ++s) {
    const ArenaBuffer* above = nullptr;
    for (int y = top; y < top + height; ++y) {
      const ArenaBuffer* buffer = buffer_at(arena, byte_of(y), s);
      if (buffer) fill(image, y, left + s * step, 1, step, colour_of(*buffer));
      if (buffer && buffer->first == s) fill(image, y, left + s * step, 1, 1, white);
      if (buffer != above && y > top) fill(image, y, left + s * step, 1, step, white);
      above = buffer;
    }
  }
  for (const ArenaBuffer& buffer : arena.buffers) {
    const int x = left + std::max(buffer.first, 0) * step, y = row_of(buffer.offset + buffer.bytes),
              wide = left + std::min(buffer.last + 1, steps) * step - x, high = row_of(buffer.offset) - y,
              middle = y + high / 2;
    const bool seen = high > 0 && buffer_at(arena, byte_of(middle), std::max(buffer.first, 0)) == &buffer;
    const std::string text = shortened(buffer.name, static_cast<std::size_t>(std::max(0, (wide - 4) / letter_width)));
    const Colour colour = colour_of(buffer);
    const bool dark = 299 * colour.r + 587 * colour.g + 114 * colour.b < 128000;
    if (seen && high >= letter_height + 4)
      data::draw_text(image, x + 3, middle - letter_height / 2, text, dark ? white : ink);
  }

  // Axes and title
  const bool mib = arena.bytes >= (1u << 20);
  const double unit = mib ? 1 << 20 : 1024, most = static_cast<double>(arena.bytes) / unit;
  fill(image, top, left - 1, height + 1, 1, faint);
  fill(image, top + height, left - 1, 1, width + 1, faint);
  if (most > 0) {
    const double tick = round_step(most / 10);
    const int digits = std::max(0, -static_cast<int>(std::floor(std::log10(tick) + 1e-9)));
    for (int k = 0; k * tick <= most * (1 + 1e-9); ++k) {
      const int y = row_of(static_cast<std::size_t>(k * tick * unit));
      const std::string text = decimals(k * tick, digits);
      fill(image, y, left - 6, 1, 6, faint);
      data::draw_text(image, left - 10 - data::text_width(text), y - letter_height / 2, text, ink);
    }
  }
  const std::string unit_name = mib ? "MiB" : "KiB";
  data::draw_text(image, left - 10 - data::text_width(unit_name), top - 16, unit_name, faint);
  int next = 0; // where the next number may begin
  for (int s = 0; s < arena.steps; ++s) {
    const std::string number = std::to_string(s);
    const int middle = left + s * step + step / 2, x = middle - (data::text_width(number) - 1) / 2;
    fill(image, top + height, middle, x >= next ? 5 : 3, 1, faint);
    if (x >= next) {
      data::draw_text(image, x, top + height + 8, number, ink);
      next = x + data::text_width(number) + letter_width;
    }
    if (names && static_cast<std::size_t>(s) < arena.nodes.size())
      draw_upwards(image, top + height + 20, middle - letter_height / 2,
                   shortened(arena.nodes[static_cast<std::size_t>(s)], longest_name), faint);
  }
  data::draw_text(image, left, top + height + 20 + below + 2,
                  "layers, in the order of the run. dark grey: scratch, light grey: free", faint);
  data::draw_text(image, left, 6,
                  arena.network + ": peak " + std::to_string(arena.bytes) + " bytes (" +
                      decimals(static_cast<double>(arena.bytes) / (1 << 20), 2) + " MiB) of values and scratch",
                  ink);
  return image;
}

} // namespace leadline::trainer
