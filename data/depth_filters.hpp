// Smoothing and resizing of depth maps [H, W] in metres; 0, negative or not finite = no depth, which is left out of
// every mean and median and stays none where nothing near is known. Pure functions; results don't depend on the
// machine.
#pragma once

#include "data/depth_io.hpp"

#include <string>

namespace leadline::data {

/// Median of the valid pixels of each (2 radius + 1)^2 window: takes away single wrong pixels, keeps steps.
DepthMap median_filter(const DepthMap& depth, int radius);

/// Mean of the window weighted by distance in the picture (`sigma_space`, pixels) and in depth (`sigma_depth`, as a
/// part of the centre's depth): smooths surfaces, keeps steps (C. Tomasi, R. Manduchi, ICCV 1998). Radius 2
/// sigma_space.
DepthMap bilateral_filter(const DepthMap& depth, double sigma_space, double sigma_depth);

/// A locally linear function of the picture's grey value (0 to 1): depth steps move to where the picture has edges.
/// `eps` is the variance of grey below which a window counts as flat (K. He, J. Sun, X. Tang, ECCV 2010). `image` has
/// depth's size.
DepthMap guided_filter(const RgbImage& image, const DepthMap& depth, int radius, double eps);

/// Linear, pixel centres at half, edges held. Where one of the four neighbours has no depth, the nearest of those that
/// have any decides, and none if the nearest of all has none: holes keep their shape and aren't smeared.
DepthMap resize_depth(const DepthMap& depth, int height, int width);

/// "median:1, bilateral:2:0.05, guided:8:0.001" carried out one after the other. Throws leadline::Error that names what
/// is wrong and the form it should have.
DepthMap filter_depth(const std::string& filters, const RgbImage& image, DepthMap depth);

} // namespace leadline::data
