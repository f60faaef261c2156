#include "tests/shared/layers/cases.hpp"

namespace leadline::testing {

Value random_value(const Shape& shape, Draw* draw) {
  Value value(shape);
  for (double& v : value.data) v = draw->uniform(-1.5, 1.5);
  return value;
}

Value distinct_value(const Shape& shape, Draw* draw) {
  Value value(shape);
  const size_t count = value.data.size();
  for (size_t i = 0; i < count; ++i)
    value.data[i] = 0.01 * (2 * static_cast<double>(i) + 1 - static_cast<double>(count / 2 * 2));
  for (size_t i = count; i > 1; --i)
    std::swap(value.data[i - 1], value.data[static_cast<size_t>(draw->uniform(0, static_cast<double>(i)))]);
  return value;
}

namespace {

class Cases {
public:
  std::vector<Case> list;

  /// Fills sources, weights and diff_dst of the right shapes. `without`: weights that are left out.
  template <class Layer>
  Case& add(const typename Layer::Params& params, const std::vector<Shape>& sources, unsigned without = 0,
            bool distinct = false) {
    Case c;
    c.problem = Problem::of<Layer>(params);
    c.name = std::string(Layer::name) + " #" + std::to_string(list.size());
    for (const Shape& shape : sources) {
      c.problem.src.push_back(distinct ? distinct_value(shape, &draw) : random_value(shape, &draw));
      c.name += " " + to_string(shape);
    }
    const LayerShapes shapes = c.problem.shapes();
    for (size_t i = 0; i < max_weights; ++i)
      if (shapes.weights[i].count() != 0 && !(without >> i & 1))
        c.problem.weights[i] = random_value(shapes.weights[i], &draw);
    c.problem.diff_dst = random_value(shapes.dst, &draw);
    list.push_back(c);
    return list.back();
  }

  Draw draw{20240607};
};

/// Sizes that every layer must take.
const std::vector<Shape> usual_shapes = {{2, 7, 5, 3},  {1, 13, 29, 5}, {3, 1, 1, 33}, {1, 1, 1, 1},
                                         {2, 5, 1, 33}, {0, 7, 5, 3},   {1, 1, 9, 2}};
const Shape large_shape = {2, 37, 41, 16};

void conv2d(Cases* cases) {
  const auto params = [](int oc, int kh, int kw, int s, int p, int dilation = 1, int groups = 1) {
    Conv2d::Params q;
    q.out_channels = oc;
    q.kernel_h = kh, q.kernel_w = kw, q.stride_h = q.stride_w = s;
    q.padding_top = q.padding_bottom = q.padding_left = q.padding_right = p;
    q.dilation_h = q.dilation_w = dilation, q.groups = groups;
    return q;
  };
  cases->add<Conv2d>(params(5, 3, 3, 1, 1), {{2, 7, 5, 3}});
  cases->add<Conv2d>(params(33, 3, 1, 2, 1), {{1, 13, 29, 5}});
  cases->add<Conv2d>(params(1, 1, 1, 1, 0), {{2, 1, 1, 33}});
  cases->add<Conv2d>(params(33, 3, 3, 1, 1, 1, 33), {{1, 7, 5, 33}});
  cases->add<Conv2d>(params(33, 5, 5, 2, 2, 1, 33), {{1, 13, 29, 33}});
  cases->add<Conv2d>(params(8, 3, 3, 1, 1, 1, 4), {{1, 7, 5, 4}});
  cases->add<Conv2d>(params(5, 3, 3, 1, 1), {{0, 7, 5, 3}});
  cases->add<Conv2d>(params(5, 3, 3, 1, 1), {{2, 7, 5, 3}}, 0b10);
  cases->add<Conv2d>(params(1, 7, 7, 1, 3), {{3, 7, 5, 1}});
  cases->add<Conv2d>(params(3, 3, 3, 1, 1), {{1, 1, 1, 5}});
  cases->add<Conv2d>(params(3, 1, 1, 1, 2), {{1, 5, 4, 2}});
  cases->add<Conv2d>(params(3, 2, 2, 3, 0), {{1, 8, 9, 2}}); // strides that skip pixels
  cases->add<Conv2d>(params(5, 3, 3, 1, 2, 2), {{1, 13, 9, 3}});
  Conv2d::Params uneven = params(9, 3, 5, 1, 0, 1, 3);
  uneven.stride_h = 2, uneven.stride_w = 3, uneven.dilation_h = 2;
  uneven.padding_top = 2, uneven.padding_bottom = 1, uneven.padding_right = 3;
  cases->add<Conv2d>(uneven, {{1, 13, 29, 6}});
  Draw& d = cases->draw;
  for (int i = 0; i < 12; ++i) {
    const int groups = d.between(1, 3);
    Conv2d::Params q =
        params(groups * d.between(1, 6), d.between(1, 5), d.between(1, 5), 1, 0, d.between(1, 2), groups);
    q.stride_h = d.between(1, 3), q.stride_w = d.between(1, 3);
    q.padding_top = d.below(4), q.padding_bottom = d.below(4), q.padding_left = d.below(4),
    q.padding_right = d.below(4);
    cases->add<Conv2d>(q, {{d.between(1, 2), d.between(9, 14), d.between(9, 30), groups * d.between(1, 12)}});
  }
  cases->add<Conv2d>(params(24, 3, 3, 1, 1), {large_shape}).finite_differences = false;
  cases->add<Conv2d>(params(64, 3, 3, 1, 1), {{1, 9, 11, 64}}).finite_differences = false;
}

void conv_transpose2d(Cases* cases) {
  const auto params = [](int oc, int k, int s, int p, int output_padding = 0, int dilation = 1, int groups = 1) {
    ConvTranspose2d::Params q;
    q.out_channels = oc;
    q.kernel_h = q.kernel_w = k, q.stride_h = q.stride_w = s, q.padding_h = q.padding_w = p;
    q.output_padding_h = q.output_padding_w = output_padding;
    q.dilation_h = q.dilation_w = dilation, q.groups = groups;
    return q;
  };
  cases->add<ConvTranspose2d>(params(5, 2, 2, 0), {{2, 7, 5, 3}});
  cases->add<ConvTranspose2d>(params(33, 3, 2, 1, 1), {{1, 13, 9, 5}});
  cases->add<ConvTranspose2d>(params(1, 4, 2, 1), {{1, 7, 5, 33}});
  cases->add<ConvTranspose2d>(params(3, 1, 1, 0), {{2, 1, 1, 5}});
  cases->add<ConvTranspose2d>(params(3, 2, 3, 0), {{1, 4, 5, 2}}); // gaps between the taps
  cases->add<ConvTranspose2d>(params(5, 2, 2, 0), {{0, 7, 5, 3}});
  cases->add<ConvTranspose2d>(params(5, 2, 2, 0), {{1, 7, 5, 3}}, 0b10);
  cases->add<ConvTranspose2d>(params(12, 3, 2, 1, 0, 1, 3), {{2, 7, 5, 6}});
  cases->add<ConvTranspose2d>(params(33, 3, 2, 1, 1, 1, 33), {{1, 7, 5, 33}});
  cases->add<ConvTranspose2d>(params(5, 3, 1, 0, 0, 2), {{1, 6, 8, 4}});
  ConvTranspose2d::Params uneven = params(4, 3, 2, 1);
  uneven.kernel_w = 2, uneven.stride_w = 3, uneven.output_padding_w = 2, uneven.padding_w = 0, uneven.dilation_h = 2;
  cases->add<ConvTranspose2d>(uneven, {{2, 5, 7, 3}});
  Draw& d = cases->draw;
  for (int i = 0; i < 8; ++i) {
    const int groups = d.between(1, 3);
    ConvTranspose2d::Params q =
        params(groups * d.between(1, 6), d.between(1, 4), d.between(1, 3), d.below(2), 0, d.between(1, 2), groups);
    q.output_padding_h = d.below(q.stride_h), q.output_padding_w = d.below(q.stride_w);
    cases->add<ConvTranspose2d>(q, {{d.between(1, 2), d.between(4, 9), d.between(4, 12), groups * d.between(1, 9)}});
  }
  cases->add<ConvTranspose2d>(params(8, 2, 2, 0), {large_shape}).finite_differences = false;
}

void linear(Cases* cases) {
  for (const Shape& shape : usual_shapes) {
    Linear::Params q;
    q.out_features = 10;
    cases->add<Linear>(q, {shape});
    q.out_features = 1;
    cases->add<Linear>(q, {shape}, 0b10);
  }
  Linear::Params q;
  q.out_features = 70;
  cases->add<Linear>(q, {{300, 1, 1, 65}}).finite_differences = false;
}

template <class Pool> void pool2d(Cases* cases, bool distinct) {
  const auto params = [](int k, int s, int p, int count_include_pad = 1) {
    Pool2dParams q;
    q.kernel_h = q.kernel_w = k, q.stride_h = q.stride_w = s;
    q.padding_top = q.padding_bottom = q.padding_left = q.padding_right = p;
    q.count_include_pad = count_include_pad;
    return q;
  };
  for (const int include : {1, 0}) {
    cases->add<Pool>(params(2, 2, 0, include), {{2, 7, 5, 3}}, 0, distinct);
    cases->add<Pool>(params(3, 2, 1, include), {{1, 13, 29, 5}}, 0, distinct);
    cases->add<Pool>(params(3, 1, 1, include), {{2, 7, 5, 33}}, 0, distinct);
    cases->add<Pool>(params(3, 1, 2, include), {{1, 1, 1, 5}}, 0, distinct);
    cases->add<Pool>(params(1, 3, 0, include), {{1, 7, 5, 1}}, 0, distinct);
    cases->add<Pool>(params(2, 2, 0, include), {{0, 7, 5, 3}}, 0, distinct);
    Pool2dParams uneven = params(1, 1, 0, include);
    uneven.kernel_h = 3, uneven.kernel_w = 5, uneven.stride_h = 2, uneven.stride_w = 3;
    uneven.padding_top = 0, uneven.padding_bottom = 2, uneven.padding_left = 3, uneven.padding_right = 1;
    cases->add<Pool>(uneven, {{2, 7, 11, 3}}, 0, distinct);
    Pool2dParams whole = params(1, 1, 0, include);
    whole.kernel_h = 7, whole.kernel_w = 5;
    cases->add<Pool>(whole, {{2, 7, 5, 3}}, 0, distinct);
  }
  cases->add<Pool>(params(2, 2, 0), {large_shape}, 0, distinct).finite_differences = false;
}

template <class Pool> void global_pool2d(Cases* cases, bool distinct) {
  for (const Shape& shape : usual_shapes) cases->add<Pool>({}, {shape}, 0, distinct);
  cases->add<Pool>({}, {large_shape}, 0, distinct).finite_differences = false;
}

void resize(Cases* cases) {
  const std::vector<Shape> targets = {{0, 14, 10, 0}, {0, 7, 5, 0}, {0, 3, 2, 0},   {0, 1, 1, 0},
                                      {0, 13, 29, 0}, {0, 8, 3, 0}, {0, 20, 16, 0}, {0, 1, 9, 0}};
  for (const ResizeMode mode : {ResizeMode::nearest, ResizeMode::bilinear})
    for (const int align_corners : {0, 1}) {
      if (align_corners && mode == ResizeMode::nearest) continue;
      Resize::Params q;
      q.mode = mode;
      q.align_corners = align_corners;
      for (const Shape& shape : usual_shapes) cases->add<Resize>(q, {shape});
      q.scale_h = 3, q.scale_w = 1;
      cases->add<Resize>(q, {{1, 7, 5, 3}});
      for (const Shape& target : targets) {
        q.height = static_cast<int32_t>(target.h), q.width = static_cast<int32_t>(target.w);
        cases->add<Resize>(q, {{2, 7, 5, 3}});
      }
      q.height = 10, q.width = 1;
      cases->add<Resize>(q, {{1, 1, 9, 5}});
      q.height = 61, q.width = 50;
      cases->add<Resize>(q, {large_shape}).finite_differences = false;
    }
}

void batch_norm2d(Cases* cases) {
  const auto add = [&](const Shape& shape, bool training, unsigned without) -> Case& {
    BatchNorm2d::Params q;
    q.momentum = 0.3f;
    Case& c = cases->add<BatchNorm2d>(q, {shape}, without);
    c.problem.training = training;
    for (double& v : c.problem.weights[3].data) v += 2; // variances
    return c;
  };
  for (const bool training : {true, false}) {
    for (const Shape& shape : usual_shapes) add(shape, training, 0);
    add({2, 7, 5, 3}, training, 0b01);
    add({2, 7, 5, 3}, training, 0b10);
    add({2, 7, 5, 3}, training, 0b11);
    add(large_shape, training, 0).finite_differences = false;
    for (int kind = 1; kind < num_activations; ++kind) {
      const ActivationParams activation = make_activation(static_cast<ActivationKind>(kind));
      // Where the slope jumps, finite differences are of no use; these are compared with the two layers they replace.
      const bool kinks = activation.kind == ActivationKind::relu || activation.kind == ActivationKind::relu6 ||
                         activation.kind == ActivationKind::leaky_relu || activation.kind == ActivationKind::hardswish;
      for (const Shape& shape : {Shape{2, 7, 5, 3}, Shape{1, 5, 9, 70}, Shape{0, 7, 5, 3}, large_shape}) {
        Case& c = add(shape, training, kind % 4 == 0 ? 0b11 : 0);
        BatchNorm2d::Params q;
        q.momentum = 0.3f;
        q.activation = activation;
        memcpy(c.problem.params.data(), &q, sizeof q);
        c.name += std::string(" ") + activation_name(activation.kind);
        c.finite_differences = !kinks && shape.c < 16;
      }
    }
  }
}

void group_norm(Cases* cases) {
  for (const Shape& shape : usual_shapes)
    for (const int32_t groups : {1, static_cast<int32_t>(shape.c)}) cases->add<GroupNorm>({groups, 1e-5f}, {shape});
  for (const unsigned without : {0b00u, 0b01u, 0b10u, 0b11u})
    cases->add<GroupNorm>({3, 1e-3f}, {{2, 7, 5, 6}}, without);
  cases->add<GroupNorm>({4, 1e-5f}, {large_shape}).finite_differences = false;
}

void layer_norm(Cases* cases) {
  for (const Shape& shape : usual_shapes) cases->add<LayerNorm>({}, {shape});
  for (const unsigned without : {0b01u, 0b10u, 0b11u}) cases->add<LayerNorm>({1e-3f}, {{2, 7, 5, 6}}, without);
  cases->add<LayerNorm>({}, {large_shape}).finite_differences = false;
}

void concat(Cases* cases) {
  for (const Shape& s : usual_shapes) {
    cases->add<Concat>({}, {s});
    cases->add<Concat>({}, {s, {s.n, s.h, s.w, 4}});
    cases->add<Concat>({}, {{s.n, s.h, s.w, 1}, s, {s.n, s.h, s.w, 33}});
  }
  cases->add<Concat>({}, std::vector<Shape>(8, Shape{1, 3, 2, 2}));
  cases->add<Concat>({}, {large_shape, large_shape}).finite_differences = false;
}

template <class Layer> void broadcast(Cases* cases) {
  for (const Shape& s : usual_shapes)
    for (const Shape& second : {s, Shape{s.n, 1, 1, s.c}, Shape{s.n, s.h, s.w, 1}, Shape{1, 1, 1, s.c}})
      cases->add<Layer>({}, {s, second});
  const Shape s = large_shape;
  for (const Shape& second : {s, Shape{s.n, 1, 1, s.c}, Shape{s.n, s.h, s.w, 1}, Shape{1, 1, 1, s.c}})
    cases->add<Layer>({}, {s, second}).finite_differences = false;
}

void pad(Cases* cases) {
  for (const Shape& shape : usual_shapes) {
    cases->add<Pad>({1, 2, 0, 3, 0.0f}, {shape});
    cases->add<Pad>({0, 0, 4, 1, 1.5f}, {shape});
  }
  cases->add<Pad>({}, {large_shape}).finite_differences = false;
}

void softmax(Cases* cases) {
  for (const Shape& shape : usual_shapes) cases->add<Softmax>({}, {shape});
  cases->add<Softmax>({}, {large_shape}).finite_differences = false;
}

void activation(Cases* cases) {
  for (int kind = 0; kind < num_activations; ++kind) {
    ActivationParams q = make_activation(static_cast<ActivationKind>(kind));
    for (const Shape& shape : usual_shapes) {
      Case& c = cases->add<Activation>(q, {shape});
      // Odd multiples of 0.05 in [-7, 7] stay clear of the kinks at 0, 3, 6; every 17th is beyond softplus' 20.
      Value& src = c.problem.src[0];
      for (size_t i = 0; i < src.data.size(); ++i)
        src.data[i] = i % 17 == 16 ? 25 : 0.05 * (2 * cases->draw.between(-70, 69) + 1);
    }
  }
  cases->add<Activation>({ActivationKind::leaky_relu, 0.3f}, {{2, 7, 5, 3}}, 0, true);
  cases->add<Activation>({ActivationKind::elu, -0.7f}, {{2, 7, 5, 3}}, 0, true);
}

void affine(Cases* cases) {
  for (const Shape& shape : usual_shapes) cases->add<Affine>({9.9f, 0.1f}, {shape});
}

void dropout(Cases* cases) {
  for (const bool training : {true, false})
    for (const float p : {0.0f, 0.3f, 0.9f})
      for (const Shape& shape : usual_shapes) cases->add<Dropout>({p}, {shape}).problem.training = training;
  cases->add<Dropout>({0.5f}, {large_shape}).finite_differences = false;
}

void quantize(Cases* cases) {
  for (const Shape& shape : usual_shapes) {
    // Odd multiples of a quarter of the scale lie clear of ties; some are beyond the range. Straight-through gradients
    // aren't those of a staircase.
    Case& c = cases->add<Quantize>({0.02f, 131}, {shape});
    for (double& v : c.problem.src[0].data) v = 0.005 * (4 * cases->draw.between(-150, 149) + 1);
    c.finite_differences = false;
    cases->add<Dequantize>({0.25f, 7}, {shape});
  }
}

} // namespace

const std::vector<Case>& all_cases() {
  static const std::vector<Case> list = [] {
    Cases cases;
    conv2d(&cases);
    conv_transpose2d(&cases);
    linear(&cases);
    pool2d<MaxPool2d>(&cases, true);
    pool2d<AvgPool2d>(&cases, false);
    global_pool2d<GlobalMaxPool2d>(&cases, true);
    global_pool2d<GlobalAvgPool2d>(&cases, false);
    resize(&cases);
    batch_norm2d(&cases);
    group_norm(&cases);
    layer_norm(&cases);
    concat(&cases);
    broadcast<Add>(&cases);
    broadcast<Mul>(&cases);
    pad(&cases);
    softmax(&cases);
    activation(&cases);
    affine(&cases);
    dropout(&cases);
    quantize(&cases);
    return cases.list;
  }();
  return list;
}

} // namespace leadline::testing
