// A trained network that answers pictures with depth: a checkpoint of a run, on the trainer's exec, or a model.lead, in
// the device's engine.
#pragma once

#include "data/depth_io.hpp"
#include "data/loader.hpp"
#include "trainer/checkpoint.hpp"

#include <leadline/leadline.hpp>

#include <memory>
#include <string>

namespace leadline::trainer {

/// Depth of a part of a picture.
struct PlacedDepth {
  data::DepthMap depth; ///< at the network's size
  CropWindow window;    ///< the part of the picture that it stands for

  /// Enlarged to where it belongs in a picture of that size; 0 outside of the window.
  data::DepthMap on_picture(int picture_height, int picture_width) const;
};

/// Not thread-safe.
class Predictor {
public:
  virtual ~Predictor() = default;
  /// `picture` may have any size. Throws leadline::Error.
  PlacedDepth predict(const ImageView8& picture);
  /// The mean of what it says about the picture and about its mirror image.
  PlacedDepth predict_flip_mean(const ImageView8& picture);

  std::string name;                                            ///< the network's
  std::string origin;                                          ///< the file, and which epoch it has
  int height = 0, width = 0;                                   ///< of the network's input and its answer
  CropMode crop = CropMode::none;                              ///< how it looks at pictures of another shape
  data::DepthResize depth_resize = data::DepthResize::nearest; ///< how training brought depth to that size
  double focal_x = 0, focal_y = 0; ///< of the training frames at that size, pixels; 0: not known
  std::string protocol = "raw";    ///< that training measured with
  /// What it has to beat; without ground truth in training: 0 and empty.
  double median_depth = 0;     ///< metres
  std::vector<float> mean_map; ///< [height, width] metres

protected:
  /// [height, width] metres.
  virtual std::vector<float> run(const ImageView8& picture) = 0;
};

/// `file` is what messages call the checkpoint. Throws leadline::Error.
std::unique_ptr<Predictor> checkpoint_predictor(const Checkpoint& checkpoint, const std::string& file);
/// A .lead file in the device's engine; `threads` 0: all cores; `precision`: leadline_precision. Throws
/// leadline::Error.
std::unique_ptr<Predictor> model_predictor(const std::string& path, int threads,
                                           int precision = LEADLINE_PRECISION_F32);
/// Opens a run directory (`best` or last checkpoint), a checkpoint, or a .lead file; `threads` is for the latter, 0:
/// all cores. Kokkos must run (Compute) as long as it lives. Throws leadline::Error.
std::unique_ptr<Predictor> open_predictor(const std::string& path, bool best, int threads);

/// Throws what the engine says of a model file, unless it is LEADLINE_OK. `error` (may be empty) names the file itself.
void check_engine(leadline_status status, const ErrorText& error, const std::string& file);

} // namespace leadline::trainer
