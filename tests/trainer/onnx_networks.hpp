// Networks for the tests of ONNX export: every layer with random parameters, a few together, and real ones, each with
// random weights.
#pragma once

#include "shared/core/rng.hpp"
#include "shared/model/fold.hpp"
#include "trainer/networks/unet.hpp"
#include "trainer/train_settings.hpp"

#include <cmath>
#include <string>
#include <utility>
#include <vector>

namespace leadline::testing {

struct OnnxCase {
  std::string name;
  Graph graph;
  std::vector<std::vector<float>> weights;
};

/// A sequence of random numbers.
class OnnxDraw {
public:
  explicit OnnxDraw(uint64_t seed) : philox_(seed) {}
  int32_t between(int32_t low, int32_t high) {
    return low + static_cast<int32_t>(philox_.below(next_++, static_cast<uint64_t>(high - low + 1)));
  }
  bool coin() { return between(0, 1) == 1; }

private:
  Philox philox_;
  uint64_t next_ = 0;
};

/// Uniform with variance 1 / fan_in where there is a fan-in; variances and scales around 1.
inline std::vector<std::vector<double>> onnx_weights(const Graph& graph, uint64_t seed) {
  std::vector<std::vector<double>> all;
  for (size_t i = 0; i < graph.weight_shapes.size(); ++i) {
    const Shape& s = graph.weight_shapes[i];
    const bool matrix = s.n > 1 || s.h > 1 || s.w > 1;
    const std::string& name = graph.weight_names[i];
    const bool positive = name.ends_with("running_var") || (!matrix && name.ends_with(".weight"));
    const double bound = matrix ? std::sqrt(3.0 / static_cast<double>(s.h * s.w * s.c)) : 0.5;
    std::vector<double> values(static_cast<size_t>(s.count()));
    const Philox random(seed, i);
    for (size_t k = 0; k < values.size(); ++k) {
      const double u = random.uniform_double(k);
      values[k] = positive ? 0.5 + u : bound * (2 * u - 1);
    }
    all.push_back(std::move(values));
  }
  return all;
}

inline std::vector<OnnxCase> onnx_cases() {
  std::vector<OnnxCase> cases;
  const auto finish = [&](const std::string& name, const Graph& graph) {
    OnnxCase c{name, graph, {}};
    for (const auto& w : onnx_weights(graph, cases.size() + 1)) c.weights.emplace_back(w.begin(), w.end());
    cases.push_back(std::move(c));
  };
  const auto finish_folded = [&](const std::string& name, const Graph& graph) {
    FoldedGraph folded = fold_graph(graph, onnx_weights(graph, cases.size() + 1));
    cases.push_back({name, std::move(folded.graph), std::move(folded.weights)});
  };
  const auto seeded = [](const char* name, int seed) { return name + ("_" + std::to_string(seed)); };
  const auto any_activation = [](OnnxDraw& draw) {
    return make_activation(static_cast<ActivationKind>(draw.between(0, num_activations - 1)));
  };

  for (int seed = 0; seed < 12; ++seed) {
    OnnxDraw draw(static_cast<uint64_t>(seed) + 1);
    const int32_t groups = seed % 3 == 0 ? draw.between(2, 3) : 1;
    const Shape input{draw.between(1, 2), draw.between(7, 13), draw.between(7, 13),
                      groups * (seed % 4 == 3 ? 1 : draw.between(1, 3))};
    const auto c = static_cast<int32_t>(input.c);
    {
      GraphBuilder b(seeded("conv2d", seed), input);
      Conv2d::Params p;
      p.groups = groups;
      p.out_channels = groups * draw.between(1, 3);
      p.kernel_h = draw.between(1, 3), p.kernel_w = draw.between(1, 3);
      p.stride_h = draw.between(1, 3), p.stride_w = draw.between(1, 3);
      p.padding_top = draw.between(0, 2), p.padding_bottom = draw.between(0, 2);
      p.padding_left = draw.between(0, 2), p.padding_right = draw.between(0, 2);
      p.dilation_h = draw.between(1, 3), p.dilation_w = draw.between(1, 3);
      p.activation = any_activation(draw);
      b.output(b.add<Conv2d>(p, {b.input()}, "conv", draw.coin() ? 2 : 0));
      finish(seeded("conv2d", seed), b.finish());
    }
    {
      GraphBuilder b(seeded("conv_transpose2d", seed), input);
      ConvTranspose2d::Params p;
      p.groups = groups;
      p.out_channels = groups * draw.between(1, 3);
      p.kernel_h = draw.between(1, 4), p.kernel_w = draw.between(1, 4);
      p.stride_h = draw.between(1, 3), p.stride_w = draw.between(1, 3);
      p.padding_h = draw.between(0, 1), p.padding_w = draw.between(0, 1);
      p.output_padding_h = draw.between(0, p.stride_h - 1), p.output_padding_w = draw.between(0, p.stride_w - 1);
      p.dilation_h = draw.between(1, 2), p.dilation_w = draw.between(1, 2);
      p.activation = any_activation(draw);
      b.output(b.add<ConvTranspose2d>(p, {b.input()}, "up", draw.coin() ? 2 : 0));
      finish(seeded("conv_transpose2d", seed), b.finish());
    }
    {
      GraphBuilder b(seeded("pools", seed), input);
      Pool2dParams p;
      p.kernel_h = draw.between(1, 3), p.kernel_w = draw.between(1, 3);
      p.stride_h = draw.between(1, 3), p.stride_w = draw.between(1, 3);
      p.padding_top = draw.between(0, p.kernel_h - 1), p.padding_bottom = draw.between(0, p.kernel_h - 1);
      p.padding_left = draw.between(0, p.kernel_w - 1), p.padding_right = draw.between(0, p.kernel_w - 1);
      p.count_include_pad = draw.between(0, 1);
      const int32_t largest = b.add<MaxPool2d>(p, {b.input()}, "max"), mean = b.add<AvgPool2d>(p, {b.input()}, "avg");
      const int32_t both = b.add<Concat>({}, {largest, mean, largest}, "cat");
      b.output(b.add<GlobalMaxPool2d>({}, {both}, "global_max"));
      b.output(b.add<GlobalAvgPool2d>({}, {both}, "global_avg"));
      b.output(both);
      finish(seeded("pools", seed), b.finish());
    }
    {
      GraphBuilder b(seeded("resize", seed), input);
      Resize::Params whole, size;
      whole.mode = draw.coin() ? ResizeMode::bilinear : ResizeMode::nearest;
      whole.scale_h = draw.between(1, 3), whole.scale_w = draw.between(1, 3);
      whole.align_corners = whole.mode == ResizeMode::bilinear && draw.coin();
      size.mode = ResizeMode::bilinear;
      size.height = draw.between(1, 20), size.width = draw.between(1, 20);
      size.align_corners = draw.between(0, 1);
      b.output(b.add<Resize>(whole, {b.input()}, "whole"));
      b.output(b.add<Resize>(size, {b.input()}, "size"));
      finish(seeded("resize", seed), b.finish());
    }
    {
      GraphBuilder b(seeded("norms", seed), input);
      GroupNorm::Params p;
      p.num_groups = draw.coin() ? groups : c;
      p.eps = 1e-3f;
      const auto without = [&] { return static_cast<unsigned>(draw.between(0, 3)); };
      BatchNorm2d::Params norm;
      norm.activation = make_activation(static_cast<ActivationKind>(draw.between(0, num_activations - 1)));
      b.output(b.add<BatchNorm2d>(norm, {b.input()}, "batch", without()));
      b.output(b.add<GroupNorm>(p, {b.input()}, "group", without()));
      b.output(b.add<LayerNorm>({}, {b.input()}, "layer", without()));
      finish(seeded("norms", seed), b.finish());
    }
    {
      GraphBuilder b(seeded("arithmetic", seed), input);
      const int32_t x = b.input();
      const int32_t vector = b.add<GlobalAvgPool2d>({}, {x}, "mean");
      Linear::Params one, some;
      some.out_features = draw.between(1, 9);
      some.activation = any_activation(draw);
      const int32_t plane = b.add<Linear>(one, {x}, "plane");
      int32_t y = b.add<Add>({}, {x, vector}, "add_vector");
      y = b.add<Mul>({}, {y, plane}, "mul_plane");
      y = b.add<Mul>({}, {y, vector}, "mul_vector");
      y = b.add<Add>({}, {b.add<Add>({}, {y, plane}, "add_plane"), x}, "add");
      Pad::Params p;
      p.padding_top = draw.between(0, 3), p.padding_bottom = draw.between(0, 3);
      p.padding_left = draw.between(0, 3), p.padding_right = draw.between(0, 3);
      p.value = 0.75f;
      y = b.add<Pad>(p, {y}, "pad");
      y = b.add<Linear>(some, {y}, "linear", draw.coin() ? 2 : 0);
      y = b.add<Affine>({draw.coin() ? 2.5f : 1.0f, draw.coin() ? -0.5f : 0.0f}, {y}, "affine");
      b.output(b.add<Softmax>({}, {y}, "softmax"));
      b.output(x);
      finish(seeded("arithmetic", seed), b.finish());
    }
  }
  for (int kind = 0; kind < num_activations; ++kind) {
    GraphBuilder b("activation", {1, 5, 6, 3});
    const int32_t wide = b.add<Affine>({9, -4}, {b.input()}, "wide"); // to both sides of every kink
    b.output(b.add<Activation>(make_activation(static_cast<ActivationKind>(kind)), {wide}, "f"));
    finish(std::string("activation_") + activation_name(static_cast<ActivationKind>(kind)), b.finish());
  }

  using trainer::Norm;
  using trainer::UpSampling;
  for (const UpSampling up : {UpSampling::transpose, UpSampling::nearest, UpSampling::bilinear})
    for (const Norm norm : {Norm::batch, Norm::group, Norm::none}) {
      trainer::UNetParams p;
      p.base_channels = 5;
      p.levels = 2;
      p.height = 20;
      p.width = 28;
      p.up_sampling = up;
      p.norm = norm;
      p.activation = up == UpSampling::transpose ? ActivationKind::relu : ActivationKind::silu;
      const std::string name = "unet_" + std::to_string(cases.size());
      finish(name, trainer::unet(p));
      finish_folded(name + "_folded", trainer::unet(p));
    }
  // Every network of the list, with each head in turn.
  size_t turn = 0;
  for (const trainer::Network& network : trainer::networks()) {
    trainer::Settings settings(trainer::train_option_groups());
    const std::vector<std::string>& heads = settings.spec("model.head").choices;
    for (const auto& [key, value] : {std::pair<const char*, std::string>{"model.network", network.name},
                                     {"model.base_channels", "5"},
                                     {"model.levels", "3"},
                                     {"model.width_multiplier", "0.125"},
                                     {"model.deep_supervision", "true"},
                                     {"model.skip", turn % 2 == 0 ? "concat" : "add"},
                                     {"model.dropout", "0.3"},
                                     {"model.head", heads[turn % heads.size()]}})
      settings.set(key, value, "test");
    const Graph graph = trainer::build_network(settings, {1, 64, 96, 3});
    finish(network.name, graph);
    finish_folded(network.name + "_folded", graph);
    ++turn;
  }
  return cases;
}

} // namespace leadline::testing
