// Small models for tests: every seam of the engine (weights, skip and concat in place, pooling, resize) in a few
// pixels.
#pragma once

#include "inference/golden.hpp"

#include <leadline/leadline.hpp>

#include <cstring>
#include <string>
#include <vector>

namespace leadline::test {

inline Conv2d::Params conv3x3(int32_t channels, ActivationKind activation = ActivationKind::relu, int32_t stride = 1) {
  Conv2d::Params p;
  p.out_channels = channels;
  p.kernel_h = p.kernel_w = 3;
  p.stride_h = p.stride_w = stride;
  p.padding_top = p.padding_bottom = p.padding_left = p.padding_right = 1;
  p.activation = make_activation(activation);
  return p;
}

/// A U-Net of one level: `[1,H,W,3]` to `[1,H,W,1]`, H and W even.
inline Graph tiny_unet(int32_t height, int32_t width) {
  GraphBuilder b("tiny_unet", {1, height, width, 3});
  const int32_t skip = b.add<Conv2d>(conv3x3(5), {b.input()}, "in.conv");
  int32_t x = b.add<Conv2d>(conv3x3(7, ActivationKind::silu, 2), {skip}, "down.conv");
  x = b.add<Resize>({}, {x}, "up.resize");
  x = b.add<Concat>({}, {skip, x}, "up.concat");
  x = b.add<Conv2d>(conv3x3(1, ActivationKind::softplus), {x}, "out.conv");
  b.output(x);
  return b.finish();
}

/// Every layer once, in a few pixels: `[1,4,6,3]` to `[1,4,6,1]`.
inline Graph zoo(int32_t height = 4, int32_t width = 6) {
  GraphBuilder b("zoo", {1, height, width, 3});
  int32_t x = b.add<Quantize>({1.0f / 64, 128}, {b.input()}, "quantize"); // of floats: rounds
  x = b.add<Dequantize>({1.0f / 64, 128}, {x}, "dequantize");
  const int32_t wide = b.add<Conv2d>(conv3x3(4), {x}, "conv");
  x = b.add<BatchNorm2d>({}, {wide}, "bn");
  GroupNorm::Params groups;
  groups.num_groups = 2;
  x = b.add<GroupNorm>(groups, {x}, "gn");
  x = b.add<LayerNorm>({}, {x}, "ln");
  const int32_t largest = b.add<MaxPool2d>({}, {x}, "max");
  x = b.add<Add>({}, {b.add<AvgPool2d>({}, {x}, "avg"), largest}, "add");
  const int32_t gate = b.add<Softmax>({}, {b.add<GlobalAvgPool2d>({}, {x}, "mean")}, "softmax");
  x = b.add<Mul>({}, {x, gate}, "mul");
  x = b.add<Add>({}, {x, b.add<GlobalMaxPool2d>({}, {x}, "top")}, "shift");
  x = b.add<Dropout>({}, {x}, "drop");
  ConvTranspose2d::Params up;
  up.out_channels = 2;
  up.kernel_h = up.kernel_w = up.stride_h = up.stride_w = 2;
  x = b.add<ConvTranspose2d>(up, {x}, "up");
  x = b.add<Concat>({}, {x, wide}, "cat");
  x = b.add<Resize>({}, {b.add<AvgPool2d>({}, {x}, "half")}, "resize");
  Linear::Params one;
  one.activation = make_activation(ActivationKind::softplus);
  x = b.add<Linear>(one, {b.add<Pad>({}, {x}, "pad")}, "linear");
  Affine::Params scale;
  scale.scale = 2;
  x = b.add<Affine>(scale, {b.add<Activation>(make_activation(ActivationKind::gelu), {x}, "act")}, "affine");
  b.output(x);
  return b.finish();
}

/// `[1,H,W,3]` to depth, everything between on bytes: skips, pooling, depthwise, resize, add, concat.
inline Graph byte_network(int32_t height, int32_t width) {
  GraphBuilder b("byte_network", {1, height, width, 3});
  std::vector<Quantization> q = {{}};
  const auto on = [&](int32_t value, const Quantization& quantization) {
    q.push_back(quantization);
    return value;
  };
  const Quantization picture{1.0f / 64, 128}, fine{1.0f / 40, 0}, wide{1.0f / 20, 0}, signed_values{1.0f / 30, 120};
  int32_t x = on(b.add<Quantize>({picture.scale, picture.zero_point}, {b.input()}, "quantize"), picture);
  const int32_t skip = on(b.add<Conv2d>(conv3x3(20), {x}, "first"), fine);
  Conv2d::Params depthwise = conv3x3(20, ActivationKind::relu6, 2);
  depthwise.groups = 20;
  x = on(b.add<Conv2d>(depthwise, {skip}, "depthwise"), wide);
  Conv2d::Params pointwise;
  pointwise.out_channels = 20;
  x = on(b.add<Conv2d>(pointwise, {x}, "pointwise"), signed_values);
  const int32_t pool = on(b.add<MaxPool2d>({}, {skip}, "pool"), fine);
  x = on(b.add<Add>({}, {x, pool}, "add"), fine);
  x = on(b.add<Resize>({}, {x}, "resize"), fine);
  x = on(b.add<Concat>({}, {skip, x}, "concat"), fine);
  x = on(b.add<Conv2d>(conv3x3(1), {x}, "head"), fine);
  b.output(on(b.add<Dequantize>({fine.scale, fine.zero_point}, {x}, "dequantize"), {}));
  Graph graph = b.finish();
  graph.quantization = q;
  return graph;
}

/// One activation and nothing else, `[1,H,W,C]`.
inline Graph activation_graph(const Shape& shape, ActivationKind kind = ActivationKind::sigmoid) {
  GraphBuilder b("activation", shape);
  b.output(b.add<Activation>(make_activation(kind), {b.input()}, "act"));
  return b.finish();
}

/// Seeded weights of about the size that training starts from.
inline std::vector<std::vector<float>> random_weights(const Graph& graph, uint64_t seed) {
  std::vector<std::vector<float>> weights;
  for (size_t i = 0; i < graph.weight_shapes.size(); ++i) {
    const Philox random(seed, i);
    weights.emplace_back(static_cast<size_t>(graph.weight_shapes[i].count()));
    const float shift = graph.weight_names[i].ends_with(".running_var") ? 0.5f : -0.3f; // variances are positive
    for (size_t k = 0; k < weights.back().size(); ++k) weights.back()[k] = 0.6f * random.uniform(k) + shift;
  }
  return weights;
}

/// `graph` is borrowed.
inline ModelSpec make_spec(const Graph& graph, uint64_t seed = 5) {
  ModelSpec spec;
  spec.graph = &graph;
  spec.weights = random_weights(graph, seed);
  spec.preprocess.height = static_cast<int32_t>(graph.input_shape.h);
  spec.preprocess.width = static_cast<int32_t>(graph.input_shape.w);
  const bool depth = graph.infer(graph.input_shape)[static_cast<size_t>(graph.outputs[0])].c == 1;
  spec.output = depth ? OutputKind::metric_depth : OutputKind::values;
  spec.max_depth = depth ? 10.0f : 0.0f;
  spec.provenance = {{"data", "synthetic:seed=1"}, {"licence", "CC0-1.0"}, {"network", graph.name}};
  return spec;
}

/// A U-Net model with a golden sample; sizes are multiples of 2.
inline std::vector<unsigned char> tiny_model(int32_t height = 12, int32_t width = 20) {
  const Graph graph = tiny_unet(height, width);
  ModelSpec spec = make_spec(graph);
  spec.size_multiple = 2;
  spec.fx = 15;
  spec.fy = 15;
  spec.golden = compute_golden(spec);
  return encode_model(spec);
}

/// A copy of bytes in memory that is aligned as models want it, and exactly as long (for the address sanitizer).
class AlignedBytes {
public:
  explicit AlignedBytes(const std::vector<unsigned char>& bytes) : AlignedBytes(bytes.data(), bytes.size()) {}
  AlignedBytes(const void* bytes, size_t size)
      : size_(size), block_(size + 64),
        data_(block_.data() + (64 - reinterpret_cast<uintptr_t>(block_.data()) % 64) % 64) {
    if (size > 0) std::memcpy(data_, bytes, size);
  }
  AlignedBytes(const AlignedBytes&) = delete;
  AlignedBytes& operator=(const AlignedBytes&) = delete;
  unsigned char* data() { return data_; }
  size_t size() const { return size_; }

private:
  size_t size_;
  std::vector<unsigned char> block_;
  unsigned char* data_;
};

/// Header, table entry and section bytes of an encoded model, for breaking it on purpose.
struct Editor {
  std::vector<unsigned char>& file;

  FileHeader& header() { return *reinterpret_cast<FileHeader*>(file.data()); }
  SectionEntry& entry(SectionKind kind) {
    auto* table = reinterpret_cast<SectionEntry*>(file.data() + sizeof(FileHeader));
    return table[static_cast<uint32_t>(kind) - 1];
  }
  template <class T> T& at(SectionKind kind, size_t offset = 0) {
    return *reinterpret_cast<T*>(file.data() + entry(kind).offset + offset);
  }
  /// Makes all checksums right again, so that what lies behind them is reached.
  void seal() {
    const uint32_t count = header().num_sections > last_section_kind ? num_section_kinds : header().num_sections;
    for (uint32_t kind = 1; kind <= count; ++kind) {
      SectionEntry& section = entry(static_cast<SectionKind>(kind));
      if (section.offset <= file.size() && section.bytes <= file.size() - section.offset)
        section.crc = crc32(file.data() + section.offset, static_cast<size_t>(section.bytes));
    }
    header().crc = 0;
    header().crc =
        crc32(file.data() + sizeof(FileHeader), count * sizeof(SectionEntry), crc32(&header(), sizeof(FileHeader)));
  }
};

} // namespace leadline::test
