// Max-pooling on host execs. The results are those of the portable form, bit for bit.
#pragma once

#include "shared/core/exec.hpp"
#include "shared/core/tensor.hpp"
#include "shared/layers/host/pieces.hpp"

namespace leadline::host {

/// Params: Pool2dParams. `winners` may be null.
template <class Exec, class Params>
void max_pool(const Exec& exec, const char* label, const Params& p, Tensor<const float> src, Tensor<float> dst,
              int32_t* winners) {
  MaxPoolJob job{};
  job.src = src.data;
  job.dst = dst.data;
  job.winners = winners;
  job.src_h = src.shape.h;
  job.src_w = src.shape.w;
  job.dst_h = dst.shape.h;
  job.dst_w = dst.shape.w;
  job.channels = dst.shape.c;
  detail::set_strides(job, src, dst);
  job.kernel_h = p.kernel_h;
  job.kernel_w = p.kernel_w;
  job.stride_h = p.stride_h;
  job.stride_w = p.stride_w;
  job.padding_top = p.padding_top;
  job.padding_left = p.padding_left;
  const auto run = host_kernels().max_pool;
  parallel_for(exec, label, dst.shape.n * dst.shape.h, [=](index_t row) { run(job, row); });
}

} // namespace leadline::host
