// Random changes to training frames. Geometry changes picture, depth and camera together, so that a frame stays a
// picture that some camera could have taken of some place; colour changes the picture alone.
//
// What happens to a frame is a pure function of (seed, epoch, frame): the same for any number of loader threads, after
// any resume.
#pragma once

#include "data/sample.hpp"

#include <span>
#include <string>

namespace leadline::data {

/// How strong each change may be; each default-initialised member but flip and brightness means "none". U(a, b) is a
/// uniform draw for each frame and epoch.
struct Augment {
  float flip_probability = 0.5f; ///< mirrored left-right, with the principal point

  /// Turned by U(-rotation, rotation) degrees about the optical axis (the principal point where it is known, else the
  /// middle). Depth along that axis doesn't change. What the camera hadn't seen repeats the edge and has no depth.
  float rotation = 0;
  /// The scene comes nearer by s = U(1, scale): everything s times larger about the principal point, depth divided by
  /// s, focal lengths as they were (D. Eigen, C. Puhrsch, R. Fergus, NIPS 2014).
  float scale = 1;
  /// A random window whose sides are U(random_crop, 1) of the frame's, brought back to full size: depth stays, focal
  /// lengths grow.
  float random_crop = 1;

  float brightness_gain = 0.15f;  ///< each channel times 1 + U(-gain, gain); on [0, 1] values, before mean and std
  float brightness_shift = 0.05f; ///< all channels plus one U(-shift, shift)
  float contrast = 0;             ///< distance from the picture's mean grey times 1 + U(-contrast, contrast)
  float saturation = 0;           ///< distance from the pixel's own grey times 1 + U(-saturation, saturation)
  float hue = 0;                  ///< colours turned by U(-hue, hue) of a full circle, in the plane of YIQ's I and Q
  float gamma = 0;                ///< value to the power of 1 + U(-gamma, gamma)
  float blur = 0;                 ///< Gaussian of standard deviation U(0, blur) pixels
  float noise = 0;                ///< normal, its standard deviation U(0, noise) of the full range, on every value
  /// So many rectangles of the picture become the mean colour, each side U(0, cutout_size) of the frame's. Their depth
  /// stays: the network learns to fill in (T. DeVries, G. Taylor, arXiv:1708.04552).
  float cutout = 0;
  float cutout_size = 0.25f;
};

/// What options are called, and what they may be. One table for settings files, the command line and checks.
struct AugmentField {
  const char* name;
  float Augment::*value;
  double min, max; ///< inclusive
  const char* help;
};
std::span<const AugmentField> augment_fields();

/// Throws leadline::Error that names the field and its range.
void check_augment(const Augment& augment);
/// "flip=0.5, rotation=5, ..." on top of `base`; names as in augment_fields. Throws leadline::Error.
Augment parse_augment(const std::string& text, Augment base);

/// A frame at network size, before normalisation.
struct FrameView {
  const std::uint8_t* rgb; ///< [H, W, 3]
  const float* depth;      ///< [H, W] metres, 0 = none
  Intrinsics intrinsics;
};

/// Writes frame `index` as epoch `epoch` sees it: `image` `[H,W,3]` normalised as `p` says, `depth` `[H,W]` metres.
/// Returns its camera.
Intrinsics augment_frame(const Augment& augment, const Preprocess& p, std::uint64_t seed, std::int64_t epoch,
                         std::size_t index, const FrameView& frame, float* image, float* depth);

} // namespace leadline::data
