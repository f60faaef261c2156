// Pictures as cameras give them, read as rows of R, G, B bytes that stand upright: what preprocessing takes. Integer
// arithmetic, so the same bits on every machine.
#pragma once

#include <leadline/leadline.h>

#include "shared/core/image.hpp"

namespace leadline {

/// From Y, U, V (Y from 0 or 16, U and V about 128) to R, G, B in 1/65536.
struct YuvFactors {
  int32_t black, y, r_v, g_u, g_v, b_u;
};

/// ITU-R BT.601, 709, 2020 by their Kr and Kb; `full` for 0 to 255, else 16 to 235 (chroma 16 to 240).
constexpr YuvFactors yuv_factors(double kr, double kb, bool full) {
  const double kg = 1 - kr - kb, chroma = full ? 1 : 255.0 / 224, luma = full ? 1 : 255.0 / 219;
  const auto fixed = [](double factor) { return static_cast<int32_t>(factor * 65536 + 0.5); };
  return {full ? 0 : 16,
          fixed(luma),
          fixed(2 * (1 - kr) * chroma),
          fixed(2 * kb * (1 - kb) / kg * chroma),
          fixed(2 * kr * (1 - kr) / kg * chroma),
          fixed(2 * (1 - kb) * chroma)};
}

inline constexpr YuvFactors yuv_table[3][2] = {
    {yuv_factors(0.299, 0.114, false), yuv_factors(0.299, 0.114, true)},
    {yuv_factors(0.2126, 0.0722, false), yuv_factors(0.2126, 0.0722, true)},
    {yuv_factors(0.2627, 0.0593, false), yuv_factors(0.2627, 0.0593, true)},
};

/// A checked picture. Rows of detail::RowResizer: `row(y)` is row y of the upright picture's window.
class PictureRows {
public:
  int height = 0, width = 0; ///< of the window, upright
  static constexpr int scratch_rows = 2;

  /// `picture` must have passed check_picture.
  explicit PictureRows(const leadline_picture& picture) : picture_(picture) {
    const bool turned = picture.rotation % 180 != 0;
    height = turned ? picture.width : picture.height;
    width = turned ? picture.height : picture.width;
    for (int i = 0; i < 2; ++i) {
      data_[i] = static_cast<const uint8_t*>(picture.planes[i]);
      stride_[i] = picture.strides[i] != 0 ? picture.strides[i] : dense_stride(picture, i);
    }
    yuv_ = yuv_table[picture.colour_matrix][picture.full_range != 0];
  }

  /// Bytes of a row without gaps.
  static ptrdiff_t dense_stride(const leadline_picture& picture, int plane) {
    const ptrdiff_t width = picture.width, pairs = (width + 1) / 2;
    switch (picture.format) {
    case LEADLINE_RGB8:
    case LEADLINE_BGR8: return 3 * width;
    case LEADLINE_RGBA8:
    case LEADLINE_BGRA8: return 4 * width;
    case LEADLINE_NV12:
    case LEADLINE_NV21: return plane == 0 ? width : 2 * pairs;
    case LEADLINE_YUYV: return 4 * pairs;
    case LEADLINE_RGB_F32: return 12 * width;
    default: return width; // GRAY8
    }
  }

  PictureRows window(int x, int y, int window_height, int window_width) const {
    PictureRows part = *this;
    part.x_ += x;
    part.y_ += y;
    part.height = window_height;
    part.width = window_width;
    return part;
  }

  const uint8_t* row(int y, uint8_t* scratch) const {
    if (picture_.format == LEADLINE_RGB8 && picture_.rotation == 0)
      return data_[0] + (y_ + y) * stride_[0] + ptrdiff_t{3} * x_;
    switch (picture_.format) { // once a row, so that each loop is about one format
    case LEADLINE_RGB8: return fill(y, scratch, [this](int v, int u, uint8_t* rgb) { copy(v, u, 3, 0, 2, rgb); });
    case LEADLINE_BGR8: return fill(y, scratch, [this](int v, int u, uint8_t* rgb) { copy(v, u, 3, 2, 0, rgb); });
    case LEADLINE_RGBA8: return fill(y, scratch, [this](int v, int u, uint8_t* rgb) { copy(v, u, 4, 0, 2, rgb); });
    case LEADLINE_BGRA8: return fill(y, scratch, [this](int v, int u, uint8_t* rgb) { copy(v, u, 4, 2, 0, rgb); });
    case LEADLINE_NV12: return fill(y, scratch, [this](int v, int u, uint8_t* rgb) { nv(v, u, 0, 1, rgb); });
    case LEADLINE_NV21: return fill(y, scratch, [this](int v, int u, uint8_t* rgb) { nv(v, u, 1, 0, rgb); });
    case LEADLINE_YUYV:
      return fill(y, scratch, [this](int v, int u, uint8_t* rgb) {
        const uint8_t* pair = data_[0] + v * stride_[0] + 4 * ptrdiff_t{u / 2};
        from_yuv(pair[2 * (u % 2)], pair[1], pair[3], rgb);
      });
    case LEADLINE_RGB_F32:
      return fill(y, scratch, [this](int v, int u, uint8_t* rgb) {
        const float* value = reinterpret_cast<const float*>(data_[0] + v * stride_[0]) + 3 * ptrdiff_t{u};
        for (int c = 0; c < 3; ++c) { // NaN becomes 0
          const float level = value[c] * 255 + 0.5f;
          rgb[c] = static_cast<uint8_t>(level > 0 ? (level < 255 ? level : 255) : 0);
        }
      });
    default:
      return fill(y, scratch,
                  [this](int v, int u, uint8_t* rgb) { rgb[0] = rgb[1] = rgb[2] = data_[0][v * stride_[0] + u]; });
    }
  }

private:
  /// Row y of the upright window by `pixel(row, column, rgb)` of the stored picture.
  template <class Pixel> const uint8_t* fill(int y, uint8_t* rgb, const Pixel& pixel) const {
    const int up = y_ + y, h = picture_.height, w = picture_.width;
    int row = up, column = x_, down = 0, right = 1; // the first pixel as stored, and the way to the next
    switch (picture_.rotation) {
    case 90: row = h - 1 - x_, column = up, down = -1, right = 0; break;
    case 180: row = h - 1 - up, column = w - 1 - x_, right = -1; break;
    case 270: row = x_, column = w - 1 - up, down = 1, right = 0; break;
    default: break;
    }
    for (int i = 0; i < width; ++i, row += down, column += right) pixel(row, column, rgb + ptrdiff_t{3} * i);
    return rgb;
  }

  void copy(int v, int u, int bytes, int red, int blue, uint8_t* rgb) const {
    const uint8_t* from = data_[0] + v * stride_[0] + ptrdiff_t{bytes} * u;
    rgb[0] = from[red];
    rgb[1] = from[1];
    rgb[2] = from[blue];
  }
  void nv(int v, int u, int u_at, int v_at, uint8_t* rgb) const {
    const uint8_t* chroma = data_[1] + v / 2 * stride_[1] + 2 * ptrdiff_t{u / 2};
    from_yuv(data_[0][v * stride_[0] + u], chroma[u_at], chroma[v_at], rgb);
  }
  void from_yuv(int y, int u, int v, uint8_t* rgb) const {
    const int32_t light = (y - yuv_.black) * yuv_.y + (1 << 15);
    u -= 128;
    v -= 128;
    rgb[0] = byte(light + yuv_.r_v * v);
    rgb[1] = byte(light - yuv_.g_u * u - yuv_.g_v * v);
    rgb[2] = byte(light + yuv_.b_u * u);
  }
  static uint8_t byte(int32_t value) {
    return static_cast<uint8_t>(value < 0 ? 0 : value > 255 << 16 ? 255 : value >> 16);
  }

  leadline_picture picture_;
  const uint8_t* data_[2];
  ptrdiff_t stride_[2];
  YuvFactors yuv_;
  int x_ = 0, y_ = 0; ///< the window's corner
};

/// Whether every field can be used; what is wrong otherwise.
inline leadline_status check_picture(const leadline_picture& p) {
  const bool planar = p.format == LEADLINE_NV12 || p.format == LEADLINE_NV21;
  if (p.format < LEADLINE_RGB8 || p.format > LEADLINE_RGB_F32) return LEADLINE_UNSUPPORTED;
  if (!p.planes[0] || (planar && !p.planes[1]) || p.width < 1 || p.height < 1) return LEADLINE_INVALID_ARGUMENT;
  if (p.width > max_image_side || p.height > max_image_side) return LEADLINE_INVALID_SHAPE;
  if (p.rotation != 0 && p.rotation != 90 && p.rotation != 180 && p.rotation != 270) return LEADLINE_INVALID_ARGUMENT;
  if (p.colour_matrix < LEADLINE_BT601 || p.colour_matrix > LEADLINE_BT2020) return LEADLINE_INVALID_ARGUMENT;
  for (int i = 0; i < (planar ? 2 : 1); ++i) {
    const ptrdiff_t least = PictureRows::dense_stride(p, i), stride = p.strides[i];
    if (stride != 0 && stride < least && stride > -least) return LEADLINE_INVALID_ARGUMENT;
  }
  if (p.format == LEADLINE_RGB_F32 &&
      (reinterpret_cast<uintptr_t>(p.planes[0]) % alignof(float) != 0 || p.strides[0] % ptrdiff_t{alignof(float)} != 0))
    return LEADLINE_INVALID_ARGUMENT;
  if (!(p.focal_x >= 0 && p.focal_x < 1e9f)) return LEADLINE_INVALID_ARGUMENT;
  return LEADLINE_OK;
}

} // namespace leadline
