// A model with a session for pictures of any size, on the public API.
#pragma once

#include "inference/demos/depth/frame.hpp"

#include <leadline/leadline.hpp>

#include <string>
#include <vector>

namespace leadline::demo {

class Estimator {
public:
  /// `threads` 0: all cores. Throws leadline::Error.
  Estimator(const std::string& path, int threads);

  const Model& model() const { return model_; }
  const leadline_model_info& info() const { return info_; }
  const Session& session() const { return session_; }
  bool metric() const { return info_.output_kind == LEADLINE_METRIC_DEPTH; }

  /// Depth `[output_height, output_width]`; `milliseconds` for preprocessing and network. `focal_x` in pixels of the
  /// picture, 0: not known.
  std::vector<float> run(const Frame& frame, float focal_x, double* milliseconds);
  /// Whether that is to be trusted, from two more runs (doubt.hpp); `apart` as large as `depth`.
  float doubt(const Frame& frame, float focal_x, const std::vector<float>& depth, std::vector<float>& apart);
  /// Holds a video's depth steady, in place.
  void steady(std::vector<float>& depth);
  /// Network and random pixels of its input's size once; milliseconds.
  double run_once();
  /// Whether this machine reproduces the answer stored in the model.
  bool self_test(float* largest_error);

private:
  std::vector<float> run(const leadline_picture& picture);

  std::string path_;
  Model model_; // before what is made from it, so that it goes last
  Threads pool_;
  Session session_;
  leadline_model_info info_{};
  AlignedMemory past_;
  leadline_stabiliser* stabiliser_ = nullptr;
};

} // namespace leadline::demo
