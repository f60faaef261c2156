// Sums with a fixed order: split by the problem's shape, combined in a fixed tree, the same bits for any thread count.
#pragma once

#include "shared/core/config.hpp"
#include "shared/core/tensor.hpp"

namespace leadline {

/// Rows per partial sum: depends on nothing but the problem.
constexpr index_t reduce_chunk = 256;

/// Number of partial sums of `reduce_columns`.
constexpr index_t reduce_chunks(index_t rows) { return rows <= 0 ? 1 : (rows + reduce_chunk - 1) / reduce_chunk; }

/// Bytes of scratch that `reduce_columns` needs for sums of type Sum.
template <class Sum> constexpr size_t reduce_columns_bytes(index_t rows, index_t columns) {
  return align_up(static_cast<size_t>(reduce_chunks(rows) * columns) * sizeof(Sum));
}

/// For every column c in [0, columns): `finish(c, sum over rows r of term(r, c))`.
///
/// Rows are summed in order within chunks of `reduce_chunk`, the chunks pairwise by index (log-depth tree).
/// `partial` is scratch of `reduce_columns_bytes<Sum>(rows, columns)` in the exec's memory. With rows = 0 sums are 0.
template <class Sum, class Exec, class Term, class Finish>
void reduce_columns(const Exec& exec, const char* label, index_t rows, index_t columns, const Term& term, Sum* partial,
                    const Finish& finish) {
  const index_t chunks = reduce_chunks(rows);
  if constexpr (Exec::on_host) {
    // Row by row, so that the channels of a pixel are read together and the inner loop vectorises.
    parallel_tasks(exec, label, chunks, [=](index_t chunk) {
      Sum* sums = partial + chunk * columns;
      for (index_t c = 0; c < columns; ++c) sums[c] = Sum{0};
      const index_t last = (chunk + 1) * reduce_chunk < rows ? (chunk + 1) * reduce_chunk : rows;
      for (index_t r = chunk * reduce_chunk; r < last; ++r)
        for (index_t c = 0; c < columns; ++c) sums[c] += term(r, c);
    });
  } else {
    parallel_for(exec, label, chunks * columns, [=] LEADLINE_FUNCTION(index_t i) {
      const index_t chunk = i / columns, c = i % columns;
      const index_t last = (chunk + 1) * reduce_chunk < rows ? (chunk + 1) * reduce_chunk : rows;
      Sum sum{0};
      for (index_t r = chunk * reduce_chunk; r < last; ++r) sum += term(r, c);
      partial[i] = sum;
    });
  }
  parallel_for(exec, label, columns, [=] LEADLINE_FUNCTION(index_t c) {
    for (index_t step = 1; step < chunks; step *= 2)
      for (index_t i = 0; i + step < chunks; i += 2 * step)
        partial[i * columns + c] += partial[(i + step) * columns + c];
    finish(c, partial[c]);
  });
}

} // namespace leadline
