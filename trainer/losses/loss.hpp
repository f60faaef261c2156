// What a loss is: value and gradient of one micro-batch in one call, on the exec, without a word to the host.
//
// The loss of a step is the mean of its micro-batches' losses. A loss therefore gives its gradient for its own
// micro-batch, unscaled; GraphSession::finish_step averages the gradients over the micro-batches.
#pragma once

#include "data/error.hpp"
#include "shared/core/exec.hpp"
#include "shared/core/math.hpp"
#include "shared/core/reduce.hpp"
#include "shared/core/tensor.hpp"
#include "trainer/registry.hpp"

#include <map>
#include <string>

namespace leadline::trainer {

/// Which elements of the target count. NaN and infinity never do: a sensor's "no reading" in any of its spellings.
enum class Valid : uint8_t {
  positive, ///< target > 0: depth in metres, 0 = no ground truth
  finite,   ///< every finite target: regression targets that may be zero or negative
};

/// Options of all losses under the names that configs use; each loss reads its own.
struct LossParams {
  Valid valid = Valid::positive;         ///< mse, l1, huber, smooth_l1, berhu
  double delta = 1.0;                    ///< huber: where the parabola ends, in metres
  double beta = 1.0;                     ///< smooth_l1: where the parabola ends, in metres
  double berhu_fraction = 0.2;           ///< berhu: c as a fraction of the largest |error|
  double silog_lambda = 0.85;            ///< silog: 0 is the RMS of log errors, 1 their standard deviation
  double silog_scale = 10.0;             ///< silog: factor of the whole loss
  double min_depth = 1e-3;               ///< silog, log_rmse: below it (metres) log is continued by its tangent
  double ssim_range = 1.0;               ///< ssim: prediction and target are divided by this first (metres)
  int ssim_window = 11;                  ///< ssim: side of the Gaussian window, odd
  double ssim_sigma = 1.5;               ///< ssim: its standard deviation, in pixels
  double ssim_c1 = 1e-4;                 ///< ssim: stabilises the luminance term
  double ssim_c2 = 9e-4;                 ///< ssim: stabilises the contrast term
  std::map<std::string, double> extra{}; ///< options of losses that a user's program registered
};

/// Everything lies in the exec's memory and belongs to the caller.
template <class T> struct LossArgs {
  Tensor<const T> prediction; ///< `[N,H,W,C]`; depth losses: C = 1, metres
  Tensor<const T> target;     ///< same shape (cross_entropy: C = 1, the class's number)
  Tensor<const T> image;      ///< `[N,H,W,*]`, what the network saw; null where no loss in use needs it
  Tensor<T> diff_prediction;  ///< gradient, written fully; null: only the value is wanted
  T* value = nullptr;         ///< the loss, one scalar
  Workspace workspace;        ///< at least `workspace_bytes(prediction.shape)`
};

/// A rule that compares predictions with targets. Stateless after construction; one object may serve many threads, each
/// with its own workspace. Values are the same bits for any thread count.
///
/// Without a single valid element the loss is 0 and so is its gradient. A NaN prediction at a valid element makes the
/// loss NaN, so that the training loop sees it; at an invalid element it is ignored.
template <class T, class Exec> class Loss {
public:
  virtual ~Loss() = default;
  virtual const char* name() const = 0;
  /// Scratch for a prediction of this shape, in bytes of the exec's memory, 64-byte aligned.
  virtual size_t workspace_bytes(const Shape& prediction) const = 0;
  /// Launches everything on `exec` and returns without waiting. Throws leadline::Error for shapes that don't fit.
  virtual void forward_backward(const Exec& exec, const LossArgs<T>& args) const = 0;
};

/// Losses by name for one element type and exec, the built-in ones included (losses.hpp).
template <class T, class Exec> using LossRegistry = Registry<Loss<T, Exec>, const LossParams&>;

} // namespace leadline::trainer
