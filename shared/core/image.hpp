// From a camera's RGB bytes to a network's input: the one piece of preprocessing that training, evaluation and the
// device run. A `Preprocess` travels inside the model file; `preprocess_rgb8` carries it out.
//
// Everything up to the last line (byte -> float) is integer arithmetic, so the result is the same bits on every
// machine. Nothing here allocates: functions with scratch say how many bytes they want.
#pragma once

#include "shared/core/config.hpp"

namespace leadline {

/// Largest image side that is accepted anywhere; the fixed-point sums below are sized for it.
constexpr int max_image_side = 16384;

/// A borrowed RGB picture: `height` rows of `width` pixels of 3 bytes, row `y` at `data + y * row_stride` (bytes).
struct ImageView8 {
  const uint8_t* data = nullptr;
  int height = 0;
  int width = 0;
  ptrdiff_t row_stride = 0;

  static constexpr int scratch_rows = 0; ///< its rows are in memory as they are read
  const uint8_t* row(int y, uint8_t* /*scratch*/) const { return data + y * row_stride; }
  ImageView8 window(int x, int y, int window_height, int window_width) const {
    return {data + y * row_stride + ptrdiff_t{3} * x, window_height, window_width, row_stride};
  }
};

inline ImageView8 packed_image(const uint8_t* data, int height, int width) {
  return {data, height, width, ptrdiff_t{3} * width};
}

/// Pinhole camera in pixels: focal lengths and principal point, pixel centres at whole numbers (OpenCV, ROS).
/// All zero = not known.
struct Intrinsics {
  float fx = 0, fy = 0, cx = 0, cy = 0;
  bool known() const { return fx > 0 && fy > 0; }
};

/// How colour is brought to another size.
enum class ResizeKernel : int32_t {
  triangle_antialiased = 0, ///< linear interpolation; averages over the covered area when shrinking
  nearest = 1,              ///< the pixel under the centre
};

/// Which part of the picture is used.
enum class CropMode : int32_t {
  none = 0,        ///< all of it, stretched to the network's size
  centre_crop = 1, ///< the largest centred window of the network's aspect ratio
};

/// Order of the channels that the network was trained on.
enum class ColourOrder : int32_t { rgb = 0, bgr = 1 };

/// The contract between a network and its input picture; plain data, stored in the model file.
/// `dst[y, x, c] = (rgb / 255 - mean[c]) / std[c]`, mean and std in the order R, G, B whatever `colour_order` is.
struct Preprocess {
  int32_t height = 0; ///< network size
  int32_t width = 0;
  ResizeKernel resize = ResizeKernel::triangle_antialiased;
  CropMode crop = CropMode::none;
  ColourOrder colour_order = ColourOrder::rgb;
  float mean[3] = {0.45f, 0.45f, 0.45f};
  float std[3] = {0.25f, 0.25f, 0.25f};
};

/// A rectangle of pixels.
struct CropWindow {
  int x = 0, y = 0, height = 0, width = 0;
};

/// The part of a `height` x `width` picture that is resized to `dst_height` x `dst_width`.
inline CropWindow crop_window(CropMode mode, int height, int width, int dst_height, int dst_width) {
  CropWindow window{0, 0, height, width};
  if (mode == CropMode::none) return window;
  const int64_t h = height, w = width, dh = dst_height, dw = dst_width;
  if (w * dh > h * dw) // wider than the network: lose columns
    window.width = static_cast<int>((2 * h * dw + dh) / (2 * dh));
  else
    window.height = static_cast<int>((2 * w * dh + dw) / (2 * dw));
  window.width = window.width < 1 ? 1 : window.width;
  window.height = window.height < 1 ? 1 : window.height;
  window.x = (width - window.width) / 2;
  window.y = (height - window.height) / 2;
  return window;
}

template <class Rows> Rows cropped(const Rows& src, const CropWindow& window) {
  return src.window(window.x, window.y, window.height, window.width);
}

/// What crop and resize do to the camera: a pixel edge at u moves to (u - x) * scale, and centres lie half a pixel in.
inline Intrinsics adjust_intrinsics(const Intrinsics& camera, const CropWindow& window, int dst_height, int dst_width) {
  if (!camera.known()) return {};
  const float sx = static_cast<float>(dst_width) / static_cast<float>(window.width);
  const float sy = static_cast<float>(dst_height) / static_cast<float>(window.height);
  return {camera.fx * sx, camera.fy * sy, (camera.cx - static_cast<float>(window.x) + 0.5f) * sx - 0.5f,
          (camera.cy - static_cast<float>(window.y) + 0.5f) * sy - 0.5f};
}

/// The source index under the centre of destination index `i`: floor((i + 0.5) * src / dst).
inline int nearest_index(int i, int src, int dst) {
  return static_cast<int>((2 * int64_t{i} + 1) * src / (2 * int64_t{dst}));
}

namespace detail {

/// Weights of one destination index under the triangle filter, as integers that sum to exactly 2^bits.
/// The filter's half width is max(1, src / dst) source pixels around the centre (i + 0.5) * src / dst; times 2 * dst
/// all of that is whole, so no rounding depends on the machine. Returns the number of taps; `first` is the first's
/// index.
inline int triangle_taps(int i, int src, int dst, int bits, uint32_t* weights, int& first) {
  const int64_t s = src, d = dst, half = 2 * (s > d ? s : d), centre = (2 * int64_t{i} + 1) * s;
  const auto weight = [&](int64_t j) {
    const int64_t distance = (2 * j + 1) * d - centre;
    return half - (distance < 0 ? -distance : distance);
  };
  // (2j + 1) d > centre - half  <=>  j > (centre - half - d) / 2d
  int64_t begin = centre - half - d < 0 ? 0 : (centre - half - d) / (2 * d) + 1;
  int64_t end = begin, sum = 0;
  for (; end < s && weight(end) > 0; ++end) sum += weight(end);
  // Rounding the running sum, not each weight, keeps the total exact.
  int64_t running = 0, previous = 0;
  for (int64_t j = begin; j < end; ++j) {
    running += weight(j);
    const int64_t rounded = ((running << bits) + sum / 2) / sum;
    weights[j - begin] = static_cast<uint32_t>(rounded - previous);
    previous = rounded;
  }
  first = static_cast<int>(begin);
  return static_cast<int>(end - begin);
}

/// Most taps that any destination index can have.
inline int64_t max_taps(int src, int dst) {
  const int64_t reach = 2 * int64_t{src > dst ? src : dst} / dst + 1;
  return reach < src ? reach : src;
}

/// Row-by-row resize of `Rows`, which has `height`, `width` and `const uint8_t* row(int y, uint8_t* scratch) const`:
/// row y as R, G, B bytes, in `scratch` (3 * width bytes) where it isn't in memory like that already. Vertical pass
/// first: it runs along whole rows and needs one row of sums, not a picture. Sums are unsigned 32-bit: 255 * 2^24 and
/// (255 * 2^8) * 2^16 both fit, with room for the half that rounds.
template <class Rows> class RowResizer {
public:
  static size_t workspace_bytes(ResizeKernel kernel, int src_height, int src_width, int dst_height, int dst_width) {
    const size_t rows = Rows::scratch_rows * ((size_t{3} * static_cast<size_t>(src_width) + 3) / 4 * 4);
    if (kernel == ResizeKernel::nearest) return rows;
    const int64_t taps_x = max_taps(src_width, dst_width), taps_y = max_taps(src_height, dst_height);
    return rows + sizeof(uint32_t) * static_cast<size_t>(dst_width * (taps_x + 2) + taps_y +
                                                         int64_t{3} * src_width /* vertical sums */);
  }

  /// `workspace` is aligned to 4 bytes and stays in use until the last row.
  RowResizer(ResizeKernel kernel, const Rows& src, int dst_height, int dst_width, void* workspace)
      : kernel_(kernel), src_(src), dst_height_(dst_height), dst_width_(dst_width) {
    if (kernel == ResizeKernel::nearest) {
      scratch_ = static_cast<uint8_t*>(workspace);
      return;
    }
    stride_ = max_taps(src.width, dst_width) + 2; // first tap, number of taps, weights
    table_ = static_cast<uint32_t*>(workspace);
    weights_y_ = table_ + dst_width * stride_;
    sums_ = weights_y_ + max_taps(src.height, dst_height);
    scratch_ = reinterpret_cast<uint8_t*>(sums_ + int64_t{3} * src.width);
    for (int x = 0; x < dst_width; ++x) {
      uint32_t* entry = table_ + x * stride_;
      int first = 0;
      entry[1] = static_cast<uint32_t>(triangle_taps(x, src.width, dst_width, 16, entry + 2, first));
      entry[0] = static_cast<uint32_t>(first);
    }
  }

  /// Writes row `y` of the result, 3 * dst_width bytes.
  void row(int y, uint8_t* dst) const {
    if (kernel_ == ResizeKernel::nearest) return nearest_row(y, dst);
    int first = 0;
    const int taps = triangle_taps(y, src_.height, dst_height_, 24, weights_y_, first);
    const int n = 3 * src_.width;
    uint32_t* sums = sums_;
    for (int i = 0; i < n; ++i) sums[i] = 1u << 15;
    int t = 0;
    for (; t + 1 < taps; t += 2) { // two rows a round halves the traffic
      const uint8_t* a = src_.row(first + t, scratch_);
      const uint8_t* b = src_.row(first + t + 1, scratch_ + (n + 3) / 4 * 4);
      const uint32_t wa = weights_y_[t], wb = weights_y_[t + 1];
      for (int i = 0; i < n; ++i) sums[i] += wa * a[i] + wb * b[i];
    }
    if (t < taps) {
      const uint8_t* a = src_.row(first + t, scratch_);
      const uint32_t wa = weights_y_[t];
      for (int i = 0; i < n; ++i) sums[i] += wa * a[i];
    }
    for (int i = 0; i < n; ++i) sums[i] >>= 16; // 8.8 fixed point
    for (int x = 0; x < dst_width_; ++x) {
      const uint32_t* entry = table_ + x * stride_;
      const uint32_t* value = sums + 3 * entry[0];
      const uint32_t* weight = entry + 2;
      uint32_t r = 1u << 23, g = r, b = r;
      for (uint32_t k = 0; k < entry[1]; ++k, value += 3) {
        r += weight[k] * value[0];
        g += weight[k] * value[1];
        b += weight[k] * value[2];
      }
      dst[3 * x] = static_cast<uint8_t>(r >> 24);
      dst[3 * x + 1] = static_cast<uint8_t>(g >> 24);
      dst[3 * x + 2] = static_cast<uint8_t>(b >> 24);
    }
  }

private:
  void nearest_row(int y, uint8_t* dst) const {
    const uint8_t* src = src_.row(nearest_index(y, src_.height, dst_height_), scratch_);
    for (int x = 0; x < dst_width_; ++x)
      for (int c = 0; c < 3; ++c) dst[3 * x + c] = src[3 * nearest_index(x, src_.width, dst_width_) + c];
  }

  ResizeKernel kernel_;
  Rows src_;
  int dst_height_, dst_width_;
  int64_t stride_ = 0;
  uint32_t* table_ = nullptr;     // [dst_width][first, taps, weights...]
  uint32_t* weights_y_ = nullptr; // of the row in work
  uint32_t* sums_ = nullptr;      // [src_width][3]
  uint8_t* scratch_ = nullptr;    // [Rows::scratch_rows][3 * src_width]
};

inline bool valid_size(int height, int width) {
  return height > 0 && width > 0 && height <= max_image_side && width <= max_image_side;
}

} // namespace detail

/// Bytes of scratch, aligned to 4, that `resize_rgb8` needs; 0 for nearest.
inline size_t resize_rgb8_workspace_bytes(ResizeKernel kernel, int src_height, int src_width, int dst_height,
                                          int dst_width) {
  return detail::RowResizer<ImageView8>::workspace_bytes(kernel, src_height, src_width, dst_height, dst_width);
}

/// Resizes to packed RGB [dst_height, dst_width, 3]. triangle_antialiased follows Pillow's BILINEAR definition
/// (half-pixel centres, support max(1, scale), normalised weights; within one level of it). Sides
/// are 1..max_image_side: false if not.
inline bool resize_rgb8(ResizeKernel kernel, const ImageView8& src, int dst_height, int dst_width, void* workspace,
                        uint8_t* dst) {
  if (!src.data || !detail::valid_size(src.height, src.width) || !detail::valid_size(dst_height, dst_width))
    return false;
  const detail::RowResizer<ImageView8> resizer(kernel, src, dst_height, dst_width, workspace);
  for (int y = 0; y < dst_height; ++y) resizer.row(y, dst + ptrdiff_t{3} * y * dst_width);
  return true;
}

/// dst[y, x, c] = rgb[y, x, c] * scale[c] + offset[c]. `pixel_stride` and `row_stride` count floats of `dst`; the three
/// channels of a pixel are neighbours. With `bgr` channel 0 of dst is blue (scale and offset stay in R, G, B order).
inline void scale_rgb8(const ImageView8& src, const float scale[3], const float offset[3], ColourOrder order,
                       float* dst, ptrdiff_t pixel_stride, ptrdiff_t row_stride) {
  const int first = order == ColourOrder::bgr ? 2 : 0, step = order == ColourOrder::bgr ? -1 : 1;
  for (int y = 0; y < src.height; ++y) {
    const uint8_t* pixel = src.data + y * src.row_stride;
    float* out = dst + y * row_stride;
    for (int x = 0; x < src.width; ++x, pixel += 3, out += pixel_stride)
      for (int c = 0, from = first; c < 3; ++c, from += step) {
        const float product = static_cast<float>(pixel[from]) * scale[from];
        out[c] = product + offset[from];
      }
  }
}

/// The factors of `(rgb / 255 - mean) / std`, written as one multiplication and one addition for each value.
inline void normalise_factors(const float mean[3], const float std[3], float scale[3], float offset[3]) {
  for (int c = 0; c < 3; ++c) {
    scale[c] = 1.0f / (255.0f * std[c]);
    offset[c] = -mean[c] / std[c];
  }
}

/// (rgb / 255 - mean) / std into packed [H, W, 3] or any other pixel and row stride, in floats.
inline void normalise_rgb8(const ImageView8& src, const float mean[3], const float std[3], float* dst,
                           ptrdiff_t pixel_stride, ptrdiff_t row_stride) {
  float scale[3], offset[3];
  normalise_factors(mean, std, scale, offset);
  scale_rgb8(src, scale, offset, ColourOrder::rgb, dst, pixel_stride, row_stride);
}

/// True if the contract can be carried out: sizes in range, known enum values, finite mean, positive finite std.
inline bool preprocess_valid(const Preprocess& p) {
  if (!detail::valid_size(p.height, p.width)) return false;
  if (p.resize != ResizeKernel::triangle_antialiased && p.resize != ResizeKernel::nearest) return false;
  if (p.crop != CropMode::none && p.crop != CropMode::centre_crop) return false;
  if (p.colour_order != ColourOrder::rgb && p.colour_order != ColourOrder::bgr) return false;
  for (int c = 0; c < 3; ++c)
    if (!(p.mean[c] >= -1e6f && p.mean[c] <= 1e6f) || !(p.std[c] >= 1e-6f && p.std[c] <= 1e6f)) return false;
  return true;
}

/// Bytes of scratch, aligned to 4, that `preprocess` needs for a picture of this size; 0 if a size is out of range.
template <class Rows = ImageView8>
size_t preprocess_workspace_bytes(const Preprocess& p, int src_height, int src_width) {
  if (!detail::valid_size(src_height, src_width) || !detail::valid_size(p.height, p.width)) return 0;
  const CropWindow window = crop_window(p.crop, src_height, src_width, p.height, p.width);
  const size_t row = (size_t{3} * static_cast<size_t>(p.width) + 3) / 4 * 4;
  return row + detail::RowResizer<Rows>::workspace_bytes(p.resize, window.height, window.width, p.height, p.width);
}

/// Crop, resize, normalise: `dst` receives [height, width, 3] floats with the given strides (in floats); rows go
/// through the workspace one at a time. `src` is an ImageView8 or any other giver of rows (RowResizer). False, and
/// nothing written, if the contract, the picture's size or the workspace is unusable.
template <class Rows>
bool preprocess(const Preprocess& p, const Rows& src, void* workspace, size_t workspace_bytes, float* dst,
                ptrdiff_t pixel_stride, ptrdiff_t row_stride) {
  if (!preprocess_valid(p) || !dst || !detail::valid_size(src.height, src.width)) return false;
  if (!workspace || workspace_bytes < preprocess_workspace_bytes<Rows>(p, src.height, src.width)) return false;
  const Rows part = cropped(src, crop_window(p.crop, src.height, src.width, p.height, p.width));
  float scale[3], offset[3];
  normalise_factors(p.mean, p.std, scale, offset);
  uint8_t* row = static_cast<uint8_t*>(workspace);
  const size_t row_bytes = (size_t{3} * static_cast<size_t>(p.width) + 3) / 4 * 4;
  const detail::RowResizer<Rows> resizer(p.resize, part, p.height, p.width, row + row_bytes);
  for (int y = 0; y < p.height; ++y) {
    resizer.row(y, row);
    scale_rgb8(packed_image(row, 1, p.width), scale, offset, p.colour_order, dst + y * row_stride, pixel_stride, 0);
  }
  return true;
}

/// The same for a picture in memory; false also if there is none.
inline bool preprocess_rgb8(const Preprocess& p, const ImageView8& src, void* workspace, size_t workspace_bytes,
                            float* dst, ptrdiff_t pixel_stride, ptrdiff_t row_stride) {
  return src.data && preprocess(p, src, workspace, workspace_bytes, dst, pixel_stride, row_stride);
}

/// The same into packed [height, width, 3].
inline bool preprocess_rgb8(const Preprocess& p, const ImageView8& src, void* workspace, size_t workspace_bytes,
                            float* dst) {
  return preprocess_rgb8(p, src, workspace, workspace_bytes, dst, 3, ptrdiff_t{3} * p.width);
}

/// True for a depth that is a measurement: positive and finite.
inline bool depth_is_valid(float metres) { return metres > 0 && metres <= 3.4028234663852886e38f; }

/// Depth [H, W] (row stride in floats) to packed [dst_height, dst_width]: the pixel under each centre; invalid -> 0.
inline void resize_depth_nearest(const float* src, int src_height, int src_width, ptrdiff_t src_row_stride,
                                 int dst_height, int dst_width, float* dst) {
  for (int y = 0; y < dst_height; ++y) {
    const float* row = src + nearest_index(y, src_height, dst_height) * src_row_stride;
    for (int x = 0; x < dst_width; ++x) {
      const float value = row[nearest_index(x, src_width, dst_width)];
      dst[ptrdiff_t{y} * dst_width + x] = depth_is_valid(value) ? value : 0.0f;
    }
  }
}

/// The same by area: mean over the valid pixels of the box that each destination pixel covers, weighted by the covered
/// part; 0 where the box has none. Holes are left out of the mean and nothing is taken from beyond the box.
inline void resize_depth_area(const float* src, int src_height, int src_width, ptrdiff_t src_row_stride, int dst_height,
                              int dst_width, float* dst) {
  // Lengths in 1/dst of a source pixel: destination i covers [i * src, (i + 1) * src), source j [j * dst, (j + 1) *
  // dst).
  const auto covered = [](int64_t j, int64_t i, int64_t s, int64_t d) {
    const int64_t low = j * d > i * s ? j * d : i * s, high = (j + 1) * d < (i + 1) * s ? (j + 1) * d : (i + 1) * s;
    return high > low ? high - low : int64_t{0};
  };
  for (int64_t y = 0; y < dst_height; ++y)
    for (int64_t x = 0; x < dst_width; ++x) {
      double sum = 0, area = 0;
      for (int64_t v = y * src_height / dst_height; v * dst_height < (y + 1) * src_height; ++v)
        for (int64_t u = x * src_width / dst_width; u * dst_width < (x + 1) * src_width; ++u) {
          const float value = src[v * src_row_stride + u];
          if (!depth_is_valid(value)) continue;
          const double part = static_cast<double>(covered(v, y, src_height, dst_height)) *
                              static_cast<double>(covered(u, x, src_width, dst_width));
          sum += part * static_cast<double>(value);
          area += part;
        }
      dst[y * dst_width + x] = area > 0 ? static_cast<float>(sum / area) : 0.0f;
    }
}

} // namespace leadline
