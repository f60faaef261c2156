#include "inference/demos/depth/frame.hpp"

#include <algorithm>

namespace leadline::demo {

namespace {

/// Of the first plane; 0: this format isn't one of bytes.
std::size_t row_bytes(leadline_pixel_format format, int width) {
  const auto w = static_cast<std::size_t>(width);
  switch (format) {
  case LEADLINE_RGB8:
  case LEADLINE_BGR8: return 3 * w;
  case LEADLINE_RGBA8:
  case LEADLINE_BGRA8: return 4 * w;
  case LEADLINE_GRAY8:
  case LEADLINE_NV12:
  case LEADLINE_NV21: return w;
  case LEADLINE_YUYV: return 4 * ((w + 1) / 2);
  case LEADLINE_RGB_F32: break;
  }
  return 0;
}

} // namespace

std::size_t frame_bytes(leadline_pixel_format format, int width, int height) {
  const auto w = static_cast<std::size_t>(width), h = static_cast<std::size_t>(height);
  const bool chroma = format == LEADLINE_NV12 || format == LEADLINE_NV21;
  return row_bytes(format, width) * h + (chroma ? 2 * ((w + 1) / 2) * ((h + 1) / 2) : 0);
}

leadline_picture Frame::picture(float focal_x) const {
  leadline_picture picture{};
  picture.struct_size = sizeof picture;
  picture.format = format;
  picture.width = width;
  picture.height = height;
  picture.planes[0] = bytes.data();
  picture.strides[0] = static_cast<std::ptrdiff_t>(row_bytes(format, width));
  if (format == LEADLINE_NV12 || format == LEADLINE_NV21) {
    picture.planes[1] = bytes.data() + static_cast<std::size_t>(width) * static_cast<std::size_t>(height);
    picture.strides[1] = width + width % 2;
  }
  picture.full_range = full_range;
  picture.focal_x = focal_x;
  return picture;
}

data::RgbImage Frame::rgb() const {
  data::RgbImage image(height, width);
  const auto w = static_cast<std::size_t>(width), h = static_cast<std::size_t>(height);
  const std::uint8_t* src = bytes.data();
  std::uint8_t* dst = image.rgb.data();
  // ITU-R BT.601: R = Y + 1.402 V, G = Y - 0.344136 U - 0.714136 V, B = Y + 1.772 U, around the middle of U and V.
  const float gain = full_range ? 1.0f : 255.0f / 219.0f, chroma = full_range ? 1.0f : 255.0f / 224.0f;
  const auto put_yuv = [&](int luma, int u, int v) {
    const float y = gain * static_cast<float>(luma - (full_range ? 0 : 16));
    const float cb = chroma * static_cast<float>(u - 128), cr = chroma * static_cast<float>(v - 128);
    for (const float value : {y + 1.402f * cr, y - 0.344136f * cb - 0.714136f * cr, y + 1.772f * cb})
      *dst++ = static_cast<std::uint8_t>(std::clamp(value + 0.5f, 0.0f, 255.0f));
  };
  switch (format) {
  case LEADLINE_RGB8: image.rgb = bytes; break;
  case LEADLINE_BGR8:
  case LEADLINE_RGBA8:
  case LEADLINE_BGRA8: {
    const std::size_t step = format == LEADLINE_BGR8 ? 3 : 4, red = format == LEADLINE_RGBA8 ? 0 : 2;
    for (std::size_t i = 0; i < w * h; ++i, src += step) {
      *dst++ = src[red];
      *dst++ = src[1];
      *dst++ = src[2 - red];
    }
    break;
  }
  case LEADLINE_GRAY8:
    for (std::size_t i = 0; i < w * h; ++i, dst += 3) std::fill_n(dst, 3, src[i]);
    break;
  case LEADLINE_NV12:
  case LEADLINE_NV21: {
    const std::size_t u = format == LEADLINE_NV12 ? 0 : 1, pairs = (w + 1) / 2;
    for (std::size_t y = 0; y < h; ++y)
      for (std::size_t x = 0; x < w; ++x) {
        const std::uint8_t* uv = src + w * h + 2 * (y / 2 * pairs + x / 2);
        put_yuv(src[y * w + x], uv[u], uv[1 - u]);
      }
    break;
  }
  case LEADLINE_YUYV:
    for (std::size_t y = 0; y < h; ++y)
      for (std::size_t x = 0; x < w; ++x) {
        const std::uint8_t* pair = src + 4 * (y * ((w + 1) / 2) + x / 2);
        put_yuv(pair[2 * (x % 2)], pair[1], pair[3]);
      }
    break;
  case LEADLINE_RGB_F32: break; // no source makes it
  }
  return image;
}

} // namespace leadline::demo
