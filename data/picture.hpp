// Pictures of depth for people: a colour map with a metre scale, text, and sheets of several pictures.
#pragma once

#include "data/image_io.hpp"

#include <string>
#include <vector>

namespace leadline::data {

/// Colour of a value in [0, 1]: 0 (near) is dark red, through orange, yellow, green and blue to dark violet at 1 (far).
/// Brightness and hue both change along the map, so neighbouring distances stay apart.
struct Colour {
  std::uint8_t r = 0, g = 0, b = 0;
};
Colour depth_colour(float t);

/// Distances in metres that the two ends of the colour map stand for.
struct DepthRange {
  float near = 0, far = 0;
};

/// The range of the valid depths, cut to whole tenths of a metre around the 1st and 99th percentile so that a few wrong
/// pixels don't spoil the picture. {0, 1} if nothing is valid.
DepthRange depth_range(const float* metres, std::size_t count);

/// Colours depth [height, width] in metres; what is invalid (0, negative, not finite) is black.
RgbImage colour_depth(const float* metres, int height, int width, const DepthRange& range);

/// UTF-8 in the letters that there are for pictures: ASCII. Letters of Latin-1 lose their marks, any other character
/// becomes a '?'.
std::string drawable_text(const std::string& text);
/// Writes `text` with 5x7 letters, `scale` pixels a dot, top left corner at (x, y); what lies outside is cut off.
/// Draws what drawable_text makes of it. Returns the x after the text.
int draw_text(RgbImage& image, int x, int y, const std::string& text, Colour colour, int scale = 1);
/// Width in pixels of such a text.
int text_width(const std::string& text, int scale = 1);

/// A horizontal bar of the colour map with ticks and metres beneath, `width` pixels wide (at least 80).
RgbImage metre_scale(int width, const DepthRange& range, int scale = 1);

/// Copies `src` into `dst` with its top left corner at (x, y); what lies outside is cut off.
void paste(RgbImage& dst, const RgbImage& src, int x, int y);
/// Resizes with the triangle filter.
RgbImage resized(const RgbImage& image, int height, int width);
/// Left to right with a gap, all brought to the height of the first.
RgbImage side_by_side(const std::vector<RgbImage>& images, int gap = 4);
/// Top to bottom with a gap, left aligned.
RgbImage stacked(const std::vector<RgbImage>& images, int gap = 4);

/// One row of a contact sheet. Empty depth vectors leave that picture out; depths are [height, width] metres.
struct SheetRow {
  RgbImage image;
  std::vector<float> depth, prediction;
  std::string caption;
};

/// A sheet for looking at: image | depth | prediction side by side with captions, `columns` rows next to one another,
/// each `tile_width` pixels wide, one colour scale for the whole sheet beneath.
RgbImage contact_sheet(const std::vector<SheetRow>& rows, int columns = 1, int tile_width = 240);

} // namespace leadline::data
