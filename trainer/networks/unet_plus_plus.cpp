#include "trainer/networks/unet_plus_plus.hpp"

namespace leadline::trainer {

Graph unet_plus_plus(const UNetPlusPlusParams& params) {
  check_unet("unet_plus_plus", params, max_inputs - 1); // of one concat
  if (params.skip == Skip::none)
    throw Error({.field = "unet_plus_plus: skip",
                 .value = "none",
                 .reason = "nested skips are all that it adds to a U-Net",
                 .fix = "Use concat or add, or the network unet"});
  GraphBuilder builder("unet_plus_plus", {1, params.height, params.width, params.in_channels});
  const UNetBlocks net{builder, params};
  const auto at = [](const char* part, int i, int j) { return named(part, i) + "." + std::to_string(j); };

  // x[i][j]: the j-th value of level i. The backbone ...
  std::vector<std::vector<int32_t>> x;
  for (int i = 0; i <= params.levels; ++i) {
    const int32_t from = i == 0 ? builder.input() : net.halve(x.back()[0], named("pool.", i - 1));
    x.push_back({net.block(from, params.channels(i), at("x.", i, 0))});
  }
  x.back()[0] = net.dropout(x.back()[0], "dropout");

  // ... and the nested skips: each column is a U-Net's decoder on all columns before it.
  for (int j = 1; j <= params.levels; ++j)
    for (int i = 0; i <= params.levels - j; ++i) {
      std::vector<int32_t>& level = x[static_cast<size_t>(i)];
      int32_t y = net.twice(x[static_cast<size_t>(i) + 1].back(), params.channels(i), at("up.", i, j));
      if (params.skip == Skip::add) {
        for (size_t k = 0; k < level.size(); ++k)
          y = net.merge(y, level[k], at("merge.", i, j) + "." + std::to_string(k));
      } else {
        std::vector<int32_t> all{y};
        all.insert(all.end(), level.begin(), level.end());
        y = builder.add<Concat>({}, all, at("merge.", i, j));
      }
      level.push_back(net.block(y, params.channels(i), at("x.", i, j)));
    }

  if (!params.deep_supervision || params.levels < 2) return finish_unet(builder, params, x[0].back());
  const auto head = [&](int32_t value, const std::string& name) {
    value = padded_conv(builder, value, 1, 1, name, true);
    return depth_head(builder, value, params.head, params.min_depth, params.max_depth, name);
  };
  int32_t sum = head(x[0][1], "head.1");
  for (int j = 2; j <= params.levels; ++j) {
    const std::string number = std::to_string(j);
    sum = builder.add<Add>({}, {sum, head(x[0][static_cast<size_t>(j)], "head." + number)}, "head.sum." + number);
  }
  builder.output(builder.add<Affine>({1 / static_cast<float>(params.levels), 0}, {sum}, "head.mean"));
  return builder.finish();
}

Network unet_plus_plus_network() {
  Network network = unet_family_network("unet_plus_plus", "U-Net++: a U-Net with nested skips, depth head", nullptr);
  network.options.push_back({"model.deep_supervision",
                             "false",
                             "unet_plus_plus: the mean of a head on each column instead of the last column's head",
                             {"true", "false"}});
  network.build = [](const Settings& settings, const Shape& input) {
    UNetPlusPlusParams params{unet_settings(settings, input), settings.boolean("model.deep_supervision")};
    return unet_plus_plus(params);
  };
  return network;
}

} // namespace leadline::trainer
