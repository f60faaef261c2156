#include "data/picture.hpp"

#include "data/error.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <cstring>

namespace leadline::data {
namespace {

constexpr Colour paper{245, 245, 245}, ink{30, 30, 30}, faint{120, 120, 120};

/// Stops of the colour map, evenly spaced from near to far.
constexpr std::array<Colour, 9> stops = {{{128, 8, 12},
                                          {212, 44, 20},
                                          {246, 124, 28},
                                          {250, 204, 56},
                                          {176, 226, 84},
                                          {60, 196, 132},
                                          {32, 140, 190},
                                          {44, 76, 178},
                                          {48, 26, 100}}};

/// 5x7 letters, one string a row, rows of a glyph separated by '/'.
struct Glyph {
  char letter;
  const char* rows;
};
constexpr Glyph glyphs[] = {
    {'0', " ### /#   #/#  ##/# # #/##  #/#   #/ ### "}, {'1', "  #  / ##  /  #  /  #  /  #  /  #  / ### "},
    {'2', " ### /#   #/    #/  ## / #   /#    /#####"}, {'3', "#### /    #/    #/ ### /    #/    #/#### "},
    {'4', "   # /  ## / # # /#  # /#####/   # /   # "}, {'5', "#####/#    /#### /    #/    #/#   #/ ### "},
    {'6', "  ## / #   /#    /#### /#   #/#   #/ ### "}, {'7', "#####/    #/   # /  #  / #   / #   / #   "},
    {'8', " ### /#   #/#   #/ ### /#   #/#   #/ ### "}, {'9', " ### /#   #/#   #/ ####/    #/   # / ##  "},
    {'A', " ### /#   #/#   #/#####/#   #/#   #/#   #"}, {'B', "#### /#   #/#   #/#### /#   #/#   #/#### "},
    {'C', " ### /#   #/#    /#    /#    /#   #/ ### "}, {'D', "#### /#   #/#   #/#   #/#   #/#   #/#### "},
    {'E', "#####/#    /#    /#### /#    /#    /#####"}, {'F', "#####/#    /#    /#### /#    /#    /#    "},
    {'G', " ### /#   #/#    /# ###/#   #/#   #/ ####"}, {'H', "#   #/#   #/#   #/#####/#   #/#   #/#   #"},
    {'I', " ### /  #  /  #  /  #  /  #  /  #  / ### "}, {'J', "  ###/   # /   # /   # /   # /#  # / ##  "},
    {'K', "#   #/#  # /# #  /##   /# #  /#  # /#   #"}, {'L', "#    /#    /#    /#    /#    /#    /#####"},
    {'M', "#   #/## ##/# # #/# # #/#   #/#   #/#   #"}, {'N', "#   #/##  #/##  #/# # #/#  ##/#  ##/#   #"},
    {'O', " ### /#   #/#   #/#   #/#   #/#   #/ ### "}, {'P', "#### /#   #/#   #/#### /#    /#    /#    "},
    {'Q', " ### /#   #/#   #/#   #/# # #/#  # / ## #"}, {'R', "#### /#   #/#   #/#### /# #  /#  # /#   #"},
    {'S', " ####/#    /#    / ### /    #/    #/#### "}, {'T', "#####/  #  /  #  /  #  /  #  /  #  /  #  "},
    {'U', "#   #/#   #/#   #/#   #/#   #/#   #/ ### "}, {'V', "#   #/#   #/#   #/#   #/ # # / # # /  #  "},
    {'W', "#   #/#   #/#   #/# # #/# # #/## ##/#   #"}, {'X', "#   #/ # # / # # /  #  / # # / # # /#   #"},
    {'Y', "#   #/#   #/ # # /  #  /  #  /  #  /  #  "}, {'Z', "#####/    #/   # /  #  / #   /#    /#####"},
    {'a', "     /     / ### /    #/ ####/#   #/ ####"}, {'b', "#    /#    /#### /#   #/#   #/#   #/#### "},
    {'c', "     /     / ####/#    /#    /#    / ####"}, {'d', "    #/    #/ ####/#   #/#   #/#   #/ ####"},
    {'e', "     /     / ### /#   #/#####/#    / ### "}, {'f', "  ## / #   /#### / #   / #   / #   / #   "},
    {'g', "     / ####/#   #/#   #/ ####/    #/ ### "}, {'h', "#    /#    /#### /#   #/#   #/#   #/#   #"},
    {'i', "  #  /     / ##  /  #  /  #  /  #  / ### "}, {'j', "   # /     /  ## /   # /   # /#  # / ##  "},
    {'k', "#    /#    /#  # /# #  /##   /# #  /#  # "}, {'l', " ##  /  #  /  #  /  #  /  #  /  #  / ### "},
    {'m', "     /     /## # /# # #/# # #/# # #/# # #"}, {'n', "     /     /#### /#   #/#   #/#   #/#   #"},
    {'o', "     /     / ### /#   #/#   #/#   #/ ### "}, {'p', "     /     /#### /#   #/#### /#    /#    "},
    {'q', "     /     / ####/#   #/ ####/    #/    #"}, {'r', "     /     /# ## /##   /#    /#    /#    "},
    {'s', "     /     / ####/#    / ### /    #/#### "}, {'t', " #   / #   /#### / #   / #   / #   /  ## "},
    {'u', "     /     /#   #/#   #/#   #/#   #/ ####"}, {'v', "     /     /#   #/#   #/#   #/ # # /  #  "},
    {'w', "     /     /# # #/# # #/# # #/# # #/ # # "}, {'x', "     /     /#   #/ # # /  #  / # # /#   #"},
    {'y', "     /#   #/#   #/#   #/ ####/    #/ ### "}, {'z', "     /     /#####/   # /  #  / #   /#####"},
    {'.', "     /     /     /     /     / ##  / ##  "}, {',', "     /     /     /     / ##  / ##  / #   "},
    {':', "     / ##  / ##  /     / ##  / ##  /     "}, {'-', "     /     /     /#####/     /     /     "},
    {'+', "     /  #  /  #  /#####/  #  /  #  /     "}, {'/', "    #/    #/   # /  #  / #   /#    /#    "},
    {'(', "   # /  #  / #   / #   / #   /  #  /   # "}, {')', " #   /  #  /   # /   # /   # /  #  / #   "},
    {'=', "     /     /#####/     /#####/     /     "}, {'%', "##  #/##  #/   # /  #  / #   /#  ##/#  ##"},
    {'<', "   # /  #  / #   /#    / #   /  #  /   # "}, {'>', " #   /  #  /   # /    #/   # /  #  / #   "},
    {'_', "     /     /     /     /     /     /#####"}, {'~', "     /     / #   /# # #/   # /     /     "},
    {'?', " ### /#   #/    #/  ## /  #  /     /  #  "}, {'!', "  #  /  #  /  #  /  #  /  #  /     /  #  "},
    {'"', " # # / # # / # # /     /     /     /     "}, {'\'', "  #  /  #  /  #  /     /     /     /     "},
    {'#', " # # / # # /#####/ # # /#####/ # # / # # "}, {'$', "  #  / ####/# #  / ### /  # #/#### /  #  "},
    {'&', " ##  /#  # /# #  / #   /# # #/#  # / ## #"}, {'*', "     /  #  /# # #/ ### /# # #/  #  /     "},
    {';', "     / ##  / ##  /     / ##  / ##  / #   "}, {'@', " ### /#   #/# ###/# # #/# ## /#    / ### "},
    {'[', " ### / #   / #   / #   / #   / #   / ### "}, {']', " ### /   # /   # /   # /   # /   # / ### "},
    {'^', "  #  / # # /#   #/     /     /     /     "}, {'\\', "#    /#    / #   /  #  /   # /    #/    #"},
    {'`', " #   /  #  /     /     /     /     /     "}, {'|', "  #  /  #  /  #  /  #  /  #  /  #  /  #  "},
    {'{', "  ## / #   / #   /#    / #   / #   /  ## "}, {'}', " ##  /   # /   # /    #/   # /   # / ##  "},
};

constexpr bool well_formed() {
  for (const Glyph& glyph : glyphs)
    for (int i = 0; i <= 41; ++i)
      if (glyph.rows[i] != (i == 41 ? '\0' : i % 6 == 5 ? '/' : glyph.rows[i] == '#' ? '#' : ' ')) return false;
  return true;
}
static_assert(well_formed(), "a glyph is seven rows of five dots");

const char* glyph_rows(char letter) {
  for (const Glyph& glyph : glyphs)
    if (glyph.letter == letter) return glyph.rows;
  return nullptr;
}

void fill(RgbImage& image, int x, int y, int width, int height, Colour c) {
  for (int v = std::max(0, y); v < std::min(image.height, y + height); ++v)
    for (int u = std::max(0, x); u < std::min(image.width, x + width); ++u) {
      std::uint8_t* pixel = image.pixel(v, u);
      pixel[0] = c.r;
      pixel[1] = c.g;
      pixel[2] = c.b;
    }
}

RgbImage blank(int height, int width) { return RgbImage(height, width, paper.r, paper.g, paper.b); }

/// The text cut at its left end so that it fits; a name's end tells more than its beginning.
std::string fitted(const std::string& whole, int width) {
  const std::string text = drawable_text(whole);
  const int letters = std::max(1, width / 6);
  if (static_cast<int>(text.size()) <= letters) return text;
  return ".." + text.substr(text.size() - static_cast<std::size_t>(std::max(0, letters - 2)));
}

} // namespace

Colour depth_colour(float t) {
  if (!(t > 0)) return stops.front();
  if (t >= 1) return stops.back();
  const float position = t * static_cast<float>(stops.size() - 1);
  const std::size_t i = std::min(static_cast<std::size_t>(position), stops.size() - 2);
  const float part = position - static_cast<float>(i);
  const auto mix = [part](std::uint8_t a, std::uint8_t b) {
    return static_cast<std::uint8_t>(static_cast<float>(a) + part * static_cast<float>(b - a) + 0.5f);
  };
  return {mix(stops[i].r, stops[i + 1].r), mix(stops[i].g, stops[i + 1].g), mix(stops[i].b, stops[i + 1].b)};
}

DepthRange depth_range(const float* metres, std::size_t count) {
  std::vector<float> valid;
  valid.reserve(count);
  for (std::size_t i = 0; i < count; ++i)
    if (depth_is_valid(metres[i])) valid.push_back(metres[i]);
  if (valid.empty()) return {0, 1};
  const auto percentile = [&valid](double p) {
    const auto at = valid.begin() + static_cast<std::ptrdiff_t>(p * static_cast<double>(valid.size() - 1));
    std::nth_element(valid.begin(), at, valid.end());
    return *at;
  };
  DepthRange range{std::floor(percentile(0.01) * 10) / 10, std::ceil(percentile(0.99) * 10) / 10};
  if (!(range.far > range.near)) range.far = range.near + 0.1f;
  return range;
}

RgbImage colour_depth(const float* metres, int height, int width, const DepthRange& range) {
  RgbImage image(height, width);
  const float span = range.far > range.near ? range.far - range.near : 1.0f;
  for (std::size_t i = 0; i < image.rgb.size() / 3; ++i) {
    if (!depth_is_valid(metres[i])) continue;
    const Colour c = depth_colour((metres[i] - range.near) / span);
    image.rgb[3 * i] = c.r;
    image.rgb[3 * i + 1] = c.g;
    image.rgb[3 * i + 2] = c.b;
  }
  return image;
}

std::string drawable_text(const std::string& text) {
  constexpr char latin[] = "AAAAAAACEEEEIIIIDNOOOOOxOUUUUYTsaaaaaaaceeeeiiiidnooooo/ouuuuyty"; // U+00C0 to U+00FF
  static_assert(sizeof latin == 64 + 1);
  std::string letters;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    if (byte < 0x80) {
      letters += text[i] == ' ' || glyph_rows(text[i]) ? text[i] : '?';
      continue;
    }
    const std::size_t first = i;
    while (i + 1 < text.size() && (static_cast<unsigned char>(text[i + 1]) & 0xC0) == 0x80) ++i;
    letters += byte == 0xC3 && i == first + 1 ? latin[static_cast<unsigned char>(text[i]) & 0x3F] : '?';
  }
  return letters;
}

int text_width(const std::string& text, int scale) { return static_cast<int>(drawable_text(text).size()) * 6 * scale; }

int draw_text(RgbImage& image, int x, int y, const std::string& text, Colour colour, int scale) {
  for (const char letter : drawable_text(text)) {
    if (const char* rows = glyph_rows(letter))
      for (int v = 0; v < 7; ++v)
        for (int u = 0; u < 5; ++u)
          if (rows[6 * v + u] == '#') fill(image, x + u * scale, y + v * scale, scale, scale, colour);
    x += 6 * scale;
  }
  return x;
}

RgbImage metre_scale(int width, const DepthRange& range, int scale) {
  width = std::max(width, 80);
  const int bar = 10 * scale, margin = 14 * scale;
  RgbImage image = blank(bar + 14 * scale, width);
  const int left = margin, right = width - margin;
  for (int x = left; x < right; ++x)
    fill(image, x, 0, 1, bar, depth_colour((static_cast<float>(x - left) + 0.5f) / static_cast<float>(right - left)));

  // as many round steps (1, 2 or 5 times a power of ten) as there is room for their labels
  const double near = static_cast<double>(range.near), far = static_cast<double>(range.far), span = far - near;
  if (!(span > 0)) return image;
  const int labels = std::max(2, (right - left) / (40 * scale));
  double step = std::pow(10.0, std::floor(std::log10(span / labels)));
  for (const double factor : {1.0, 2.0, 5.0, 10.0})
    if (span / (step * factor) <= labels) {
      step *= factor;
      break;
    }
  for (double metres = std::ceil(near / step - 1e-6) * step; metres <= far + 1e-6 * step; metres += step) {
    const int x = left + static_cast<int>((metres - near) / span * (right - left - 1) + 0.5);
    fill(image, x, bar, 1, 3 * scale, ink);
    char text[32];
    std::snprintf(text, sizeof text, step < 0.1 ? "%.2fm" : step < 1 ? "%.1fm" : "%.0fm", metres);
    const int wide = text_width(text, scale) - scale;
    draw_text(image, std::clamp(x - wide / 2, 0, std::max(0, width - wide)), bar + 5 * scale, text, ink, scale);
  }
  return image;
}

void paste(RgbImage& dst, const RgbImage& src, int x, int y) {
  const int left = std::max(0, -x), right = std::min(src.width, dst.width - x);
  if (right <= left) return;
  for (int v = std::max(0, -y); v < std::min(src.height, dst.height - y); ++v)
    std::memcpy(dst.pixel(y + v, x + left), src.pixel(v, left),
                std::size_t{3} * static_cast<std::size_t>(right - left));
}

RgbImage resized(const RgbImage& image, int height, int width) {
  if (image.height == height && image.width == width) return image;
  RgbImage out(height, width);
  const auto kernel = ResizeKernel::triangle_antialiased;
  std::vector<std::uint32_t> workspace(
      resize_rgb8_workspace_bytes(kernel, image.height, image.width, height, width) / 4 + 1);
  if (!resize_rgb8(kernel, image.view(), height, width, workspace.data(), out.rgb.data()))
    throw Error({.field = "picture size",
                 .value = std::to_string(width) + "x" + std::to_string(height),
                 .reason = "a picture can't be resized to this"});
  return out;
}

RgbImage side_by_side(const std::vector<RgbImage>& images, int gap) {
  if (images.empty()) return {};
  const int height = images.front().height;
  std::vector<RgbImage> parts;
  int width = -gap;
  for (const RgbImage& image : images) {
    const int w = std::max(1, (2 * image.width * height + image.height) / (2 * image.height));
    parts.push_back(resized(image, height, w));
    width += w + gap;
  }
  RgbImage out = blank(height, width);
  int x = 0;
  for (const RgbImage& part : parts) {
    paste(out, part, x, 0);
    x += part.width + gap;
  }
  return out;
}

RgbImage stacked(const std::vector<RgbImage>& images, int gap) {
  int height = -gap, width = 0;
  for (const RgbImage& image : images) {
    height += image.height + gap;
    width = std::max(width, image.width);
  }
  RgbImage out = blank(std::max(0, height), width);
  int y = 0;
  for (const RgbImage& image : images) {
    paste(out, image, 0, y);
    y += image.height + gap;
  }
  return out;
}

RgbImage contact_sheet(const std::vector<SheetRow>& rows, int columns, int tile_width) {
  if (rows.empty()) return blank(1, 1);
  columns = std::clamp(columns, 1, static_cast<int>(rows.size()));

  // one range for all, so that a colour means the same distance everywhere on the sheet
  std::vector<float> all;
  bool any_depth = false, any_prediction = false;
  for (const SheetRow& row : rows) {
    const std::vector<float>& source = row.depth.empty() ? row.prediction : row.depth;
    all.insert(all.end(), source.begin(), source.end());
    any_depth |= !row.depth.empty();
    any_prediction |= !row.prediction.empty();
  }
  const DepthRange range = depth_range(all.data(), all.size());

  std::vector<std::vector<RgbImage>> lines(
      static_cast<std::size_t>((static_cast<int>(rows.size()) + columns - 1) / columns));
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const SheetRow& row = rows[i];
    const int height = std::max(1, tile_width * row.image.height / std::max(1, row.image.width));
    std::vector<RgbImage> tiles = {resized(row.image, height, tile_width)};
    for (const std::vector<float>* depth : {&row.depth, &row.prediction})
      if (!depth->empty()) {
        std::vector<float> small(static_cast<std::size_t>(height) * static_cast<std::size_t>(tile_width));
        resize_depth_nearest(depth->data(), row.image.height, row.image.width, row.image.width, height, tile_width,
                             small.data());
        tiles.push_back(colour_depth(small.data(), height, tile_width, range));
      }
    RgbImage picture = side_by_side(tiles, 3);
    RgbImage caption = blank(9, picture.width);
    draw_text(caption, 1, 1, fitted(row.caption, picture.width), faint);
    lines[i / static_cast<std::size_t>(columns)].push_back(stacked({picture, caption}, 2));
  }
  std::vector<RgbImage> parts;
  for (const auto& line : lines) {
    // tiles of different aspect keep their size: pad instead of scaling to the first one's height
    int height = 0;
    for (const RgbImage& tile : line) height = std::max(height, tile.height);
    std::vector<RgbImage> padded;
    for (const RgbImage& tile : line) {
      padded.push_back(blank(height, tile.width));
      paste(padded.back(), tile, 0, 0);
    }
    parts.push_back(side_by_side(padded, 12));
  }
  RgbImage title = blank(9, parts.front().width);
  draw_text(title, 1, 1, std::string("image") + (any_depth ? " / depth" : "") + (any_prediction ? " / prediction" : ""),
            ink);
  parts.insert(parts.begin(), title);
  if (any_depth || any_prediction) parts.push_back(metre_scale(std::min(parts.back().width, 720), range));
  const RgbImage sheet = stacked(parts, 6);
  RgbImage framed = blank(sheet.height + 16, sheet.width + 16);
  paste(framed, sheet, 8, 8);
  return framed;
}

} // namespace leadline::data
