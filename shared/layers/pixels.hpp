// What most layers are made of: a check of shapes, a loop over elements, and sums over pixels with a fixed order.
#pragma once

#include "shared/layers/decimal.hpp"
#include "shared/layers/layer.hpp"

namespace leadline {

/// Params of layers that have none: one word that must be zero, so that a later option can be told from garbage.
struct NoParams {
  int32_t reserved = 0;
};

inline Status check_no_params(const NoParams& params) {
  return params.reserved == 0 ? Status::ok : Status::invalid_argument;
}

/// What every layer asks of a shape: n >= 0 (an empty batch is ordinary), other extents >= 1, all at most max_extent,
/// and a number of elements that fits the address space.
inline Status check_shape(const Shape& shape) {
  if (shape.n < 0 || shape.h < 1 || shape.w < 1 || shape.c < 1) return Status::invalid_shape;
  if (shape.n > max_extent || shape.h > max_extent || shape.w > max_extent || shape.c > max_extent)
    return Status::invalid_shape;
  index_t count = 0;
  return checked_count(shape, &count);
}

/// True for the two values that a boolean stored as int32 may have.
inline bool is_bool(int32_t value) { return value == 0 || value == 1; }

/// f(n, h, w, first, last) until every channel of every pixel was covered once, by [first, last).
///
/// Hosts take a pixel's channels together, row by row: no divisions, an inner loop that vectorises. Devices take one
/// element per thread, so that neighbouring threads read neighbouring addresses.
template <class Exec, class F>
void parallel_pixels(const Exec& exec, const char* label, const Shape& extents, const F& f) {
  const Shape shape = extents;
  if constexpr (Exec::on_host) {
    parallel_for(exec, label, shape.n * shape.h, [=] LEADLINE_FUNCTION(index_t row) {
      const index_t n = row / shape.h, h = row % shape.h;
      for (index_t w = 0; w < shape.w; ++w) f(n, h, w, index_t{0}, shape.c);
    });
  } else {
    parallel_for(exec, label, shape.count(), [=] LEADLINE_FUNCTION(index_t i) {
      const index_t c = i % shape.c, p = i / shape.c;
      const index_t w = p % shape.w, nh = p / shape.w;
      f(nh / shape.h, nh % shape.h, w, c, c + 1);
    });
  }
}

/// `parallel_pixels` for kernels that treat all channels alike. On hosts a row whose pixels lie side by side in all
/// `tensors`, those that f reads and writes, is one pixel of many channels: networks end in a single channel.
template <class Exec, class F, class... Ts>
void parallel_elements(const Exec& exec, const char* label, const Shape& extents, const F& f,
                       const Tensor<Ts>&... tensors) {
  const bool joined = Exec::on_host && ((tensors.stride_w == extents.c) && ...);
  parallel_pixels(exec, label, joined ? Shape{extents.n, extents.h, 1, extents.w * extents.c} : extents, f);
}

/// Which pixels belong to one sum.
enum class PixelGroups {
  all,        ///< one group: all pixels of the batch
  per_sample, ///< a group for each n: its h * w pixels
};

constexpr index_t pixel_groups(const Shape& shape, PixelGroups groups) {
  return groups == PixelGroups::all ? 1 : shape.n;
}
constexpr index_t pixels_per_group(const Shape& shape, PixelGroups groups) {
  return groups == PixelGroups::all ? shape.n * shape.h * shape.w : shape.h * shape.w;
}

/// Bytes of scratch that `reduce_pixels` with `sums` sums of type Sum needs.
template <class Sum> constexpr size_t reduce_pixels_bytes(const Shape& shape, PixelGroups groups, int sums) {
  const index_t chunks = reduce_chunks(pixels_per_group(shape, groups));
  return align_up(static_cast<size_t>(pixel_groups(shape, groups) * chunks * sums * shape.c) * sizeof(Sum));
}

/// The second half of `reduce_pixels`: each group's chunks pairwise by index. partial[((g * chunks + i) * sums + k) *
/// columns + c] is sum k of chunk i; it is overwritten.
template <int sums, class Sum, class Exec, class Finish>
void combine_partials(const Exec& exec, const char* label, index_t groups, index_t chunks, index_t columns,
                      Sum* partial, const Finish& finish) {
  parallel_for(exec, label, groups * columns, [=] LEADLINE_FUNCTION(index_t i) {
    const index_t g = i / columns, c = i % columns, next = sums * columns;
    Sum total[sums];
    for (int k = 0; k < sums; ++k) {
      Sum* p = partial + g * chunks * next + k * columns + c;
      for (index_t step = 1; step < chunks; step *= 2)
        for (index_t j = 0; j + step < chunks; j += 2 * step) p[j * next] += p[(j + step) * next];
      total[k] = p[0];
    }
    finish(g, c, total);
  });
}

/// Several sums over the pixels of each group, one of each per channel, in one pass over memory.
///
///   add(n, h, w, first, last, total, stride)  for c in [first, last), sum k: total[k * stride + c - first] += ...
///   finish(g, c, total)                       gets the `sums` sums of group g, channel c
///
/// As in reduce.hpp the order is fixed by the shape alone: in N, H, W order within chunks of `reduce_chunk` pixels, the
/// chunks pairwise by index. `partial` is `reduce_pixels_bytes` of scratch. Sums of a group without pixels are 0.
template <int sums, class Sum, class Exec, class Add, class Finish>
void reduce_pixels(const Exec& exec, const char* label, const Shape& extents, PixelGroups grouping, const Add& add,
                   Sum* partial, const Finish& finish) {
  const Shape shape = extents;
  const index_t groups = pixel_groups(shape, grouping), rows = pixels_per_group(shape, grouping);
  const index_t chunks = reduce_chunks(rows), columns = shape.c;
  if constexpr (Exec::on_host) {
    parallel_tasks(exec, label, groups * chunks, [=] LEADLINE_FUNCTION(index_t task) {
      Sum* total = partial + task * sums * columns;
      for (index_t i = 0; i < sums * columns; ++i) total[i] = Sum{0};
      const index_t first = task % chunks * reduce_chunk;
      const index_t count = rows - first < reduce_chunk ? rows - first : reduce_chunk;
      const index_t p = task / chunks * rows + first;
      index_t w = p % shape.w, h = p / shape.w % shape.h, n = p / shape.w / shape.h;
      for (index_t i = 0; i < count; ++i) {
        add(n, h, w, index_t{0}, columns, total, columns);
        if (++w < shape.w) continue;
        w = 0;
        if (++h < shape.h) continue;
        h = 0;
        ++n;
      }
    });
  } else {
    parallel_for(exec, label, groups * chunks * columns, [=] LEADLINE_FUNCTION(index_t i) {
      const index_t c = i % columns, task = i / columns;
      Sum total[sums] = {};
      const index_t first = task % chunks * reduce_chunk;
      const index_t count = rows - first < reduce_chunk ? rows - first : reduce_chunk;
      for (index_t p = task / chunks * rows + first, end = p + count; p < end; ++p)
        add(p / shape.w / shape.h, p / shape.w % shape.h, p % shape.w, c, c + 1, total, index_t{1});
      for (int k = 0; k < sums; ++k) partial[(task * sums + k) * columns + c] = total[k];
    });
  }
  combine_partials<sums>(exec, label, groups, chunks, columns, partial, finish);
}

/// Whether all pixels lie stride_w apart, those of different rows and images too.
template <class T> constexpr bool evenly_spaced(const Tensor<T>& t) {
  return (t.shape.h <= 1 || t.stride_h == t.shape.w * t.stride_w) &&
         (t.shape.n <= 1 || t.stride_n == t.shape.h * t.shape.w * t.stride_w);
}

/// `reduce_pixels` over all pixels for host kernels that take several at once: add(n, h, w, count, total) for `count`
/// pixels from (n, h, w) on, all in one row unless `even` says that rows follow each other evenly. The same order.
template <int sums, class Sum, class Exec, class Add, class Finish>
void reduce_pixel_runs(const Exec& exec, const char* label, const Shape& extents, bool even, const Add& add,
                       Sum* partial, const Finish& finish) {
  static_assert(Exec::on_host);
  const Shape shape = extents;
  const index_t pixels = shape.n * shape.h * shape.w, chunks = reduce_chunks(pixels), columns = shape.c;
  parallel_tasks(exec, label, chunks, [=](index_t chunk) {
    Sum* total = partial + chunk * sums * columns;
    for (index_t i = 0; i < sums * columns; ++i) total[i] = Sum{0};
    const index_t last = (chunk + 1) * reduce_chunk < pixels ? (chunk + 1) * reduce_chunk : pixels;
    for (index_t p = chunk * reduce_chunk, count = 0; p < last; p += count) {
      const index_t w = p % shape.w, row = p / shape.w, rest = last - p;
      count = even || rest < shape.w - w ? rest : shape.w - w;
      add(row / shape.h, row % shape.h, w, count, total);
    }
  });
  combine_partials<sums>(exec, label, 1, chunks, columns, partial, finish);
}

/// Hands out consecutive aligned arrays of one workspace; with a null base it only counts their bytes.
class ScratchCursor {
public:
  explicit ScratchCursor(unsigned char* base = nullptr) : base_(base) {}

  template <class T> T* take(index_t count) {
    T* here = base_ ? reinterpret_cast<T*>(base_ + bytes_) : nullptr;
    bytes_ += align_up(static_cast<size_t>(count) * sizeof(T));
    return here;
  }
  template <class Sum> Sum* take_sums(const Shape& shape, PixelGroups groups, int sums) {
    Sum* here = base_ ? reinterpret_cast<Sum*>(base_ + bytes_) : nullptr;
    bytes_ += reduce_pixels_bytes<Sum>(shape, groups, sums);
    return here;
  }
  size_t bytes() const { return bytes_; }

private:
  unsigned char* base_;
  size_t bytes_ = 0;
};

} // namespace leadline
