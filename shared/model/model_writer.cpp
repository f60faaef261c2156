#include "shared/model/model_writer.hpp"

#include "shared/model/memory_plan.hpp"

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <memory>
#include <new>
#include <stdexcept>

namespace leadline {
namespace {

[[noreturn]] void fail(const std::string& what) { throw std::invalid_argument("model file: " + what); }

/// A section under construction: plain values are appended as they lie in memory (the host is little-endian).
struct Section {
  SectionKind kind;
  std::vector<unsigned char> bytes;

  void append(const void* data, size_t count) {
    const size_t begin = bytes.size();
    bytes.resize(begin + count);
    if (count > 0) std::memcpy(bytes.data() + begin, data, count);
  }
  template <class T> void append(const T& value) { append(&value, sizeof value); }
  void align() { bytes.resize(align_up(bytes.size(), model_alignment)); }
};

/// The strings section: equal names are stored once.
class Strings {
public:
  uint32_t add(const std::string& text) {
    if (text.find('\0') != std::string::npos) fail("the name \"" + text + "\" contains a zero byte");
    const auto [entry, added] = offsets_.try_emplace(text, static_cast<uint32_t>(section_.bytes.size()));
    if (added) section_.append(text.c_str(), text.size() + 1);
    return entry->second;
  }
  const Section& section() const { return section_; }

private:
  Section section_{SectionKind::strings, {}};
  std::map<std::string, uint32_t> offsets_;
};

Section graph_section(const Graph& graph, Strings& strings) {
  Section section{SectionKind::graph, {}};
  GraphSection header{};
  header.num_nodes = static_cast<int32_t>(graph.nodes.size());
  header.num_values = graph.num_values;
  header.num_weights = static_cast<int32_t>(graph.weight_shapes.size());
  header.num_outputs = static_cast<int32_t>(graph.outputs.size());
  for (int o = 0; o < max_outputs; ++o) header.outputs[o] = graph.view().outputs[o];
  header.name = strings.add(graph.name);
  section.append(header);
  for (const Node& node : graph.nodes) section.append(node);
  for (const std::string& name : graph.node_names) section.append(strings.add(name));
  return section;
}

/// The first node that multiplies with weight `w`; null: none does.
const Node* user_of(const Graph& graph, size_t w) {
  for (const Node& node : graph.nodes)
    if (node.weights[0] == static_cast<int32_t>(w) && weight_channels(node, 0, graph.weight_shapes[w]).count > 0)
      return &node;
  return nullptr;
}

/// The smallest scales that a channel's weights may have: where sums are integers, its bias, in units of the sum, must
/// keep to max_int8_bias.
std::vector<float> smallest_scales(const ModelSpec& spec, const Node& node, index_t channels) {
  std::vector<float> scales(static_cast<size_t>(channels), min_scale);
  const GraphView view = spec.graph->view();
  const Quantization src = view.value_quantization(node.inputs[0]);
  if (!src.quantized() || node.weights[1] == no_index) return scales;
  const std::vector<float>& bias = spec.weights[static_cast<size_t>(node.weights[1])];
  for (size_t c = 0; c < scales.size(); ++c)
    scales[c] = std::max(scales[c], 1.001f * std::abs(bias[c]) / (src.scale * max_int8_bias));
  return scales;
}

/// One scale for each output channel, so that its largest weight becomes 127 or -127, and weights as multiples of it.
std::vector<unsigned char> encode_int8(const std::vector<float>& weight, const Shape& shape,
                                       const WeightChannels& channels, const std::vector<float>& smallest) {
  const WeightLayout layout = weight_layout(WeightType::int8, channels.count, shape.count());
  std::vector<unsigned char> bytes(static_cast<size_t>(layout.bytes));
  std::vector<float> scales(static_cast<size_t>(channels.count), 0.0f);
  const auto each = [&](const auto& f) {
    size_t i = 0;
    for (index_t n = 0; n < shape.n; ++n)
      for (index_t k = 0; k < shape.h * shape.w; ++k)
        for (index_t c = 0; c < shape.c; ++c, ++i) f(i, scales[static_cast<size_t>(channels.at(n, c, shape.c))]);
  };
  each([&](size_t i, float& scale) { scale = std::max(scale, std::abs(weight[i])); });
  for (size_t c = 0; c < scales.size(); ++c) // a channel of zeros needs some scale too
    scales[c] = scales[c] > 0 ? std::max(scales[c] / 127.0f, smallest[c]) : std::max(0x1p-20f, smallest[c]);
  each([&](size_t i, float& scale) {
    const float q = std::clamp(std::nearbyint(weight[i] / scale), -127.0f, 127.0f);
    bytes[static_cast<size_t>(layout.values) + i] = static_cast<unsigned char>(static_cast<int8_t>(q));
  });
  std::memcpy(bytes.data(), scales.data(), scales.size() * sizeof(float));
  return bytes;
}

/// Weight `w` as it lies in the file.
std::vector<unsigned char> encode_weight(const ModelSpec& spec, size_t w, WeightType type) {
  const std::vector<float>& weight = spec.weights[w];
  std::vector<unsigned char> bytes(weight.size() * (type == WeightType::f32 ? 4 : 2));
  const auto halve = [&](auto rounded, auto widened) {
    for (size_t i = 0; i < weight.size(); ++i) {
      const uint16_t bits = rounded(weight[i]);
      if (!math::isfinite(widened(bits)))
        fail("weight " + spec.graph->weight_names[w] + " holds " + std::to_string(weight[i]) + ", more than " +
             weight_type_name(type) + " can; store it as f32");
      std::memcpy(bytes.data() + 2 * i, &bits, 2);
    }
  };
  switch (type) {
  case WeightType::f32: std::memcpy(bytes.data(), weight.data(), bytes.size()); break;
  case WeightType::f16: halve([](float v) { return round_to_f16(v); }, [](uint16_t b) { return widen_f16(b); }); break;
  case WeightType::bf16:
    halve([](float v) { return round_to_bf16(v); }, [](uint16_t b) { return widen_bf16(b); });
    break;
  case WeightType::int8: {
    const Shape& shape = spec.graph->weight_shapes[w];
    const Node& user = *user_of(*spec.graph, w);
    const WeightChannels channels = weight_channels(user, 0, shape);
    return encode_int8(weight, shape, channels, smallest_scales(spec, user, channels.count));
  }
  }
  return bytes;
}

/// The types of all weights, checked.
std::vector<WeightType> types_of(const ModelSpec& spec) {
  const Graph& graph = *spec.graph;
  if (spec.weight_types.empty()) return std::vector<WeightType>(graph.weight_shapes.size(), WeightType::f32);
  if (spec.weight_types.size() != graph.weight_shapes.size())
    fail("weight_types has " + std::to_string(spec.weight_types.size()) + " entries, the graph " +
         std::to_string(graph.weight_shapes.size()) + " weights");
  for (size_t w = 0; w < spec.weight_types.size(); ++w)
    if (spec.weight_types[w] != WeightType::f32 && !user_of(graph, w))
      fail("weight " + graph.weight_names[w] + " can't be stored as " + weight_type_name(spec.weight_types[w]) +
           "; only what conv2d, conv_transpose2d and linear multiply with can");
  return spec.weight_types;
}

/// Appends the weights' values and describes them.
Section weight_sections(const ModelSpec& spec, Strings& strings, Section& values) {
  const Graph& graph = *spec.graph;
  Section table{SectionKind::weight_table, {}};
  const std::vector<WeightType> types = types_of(spec);
  for (const Shape& shape : graph.weight_shapes) table.append(shape);
  for (size_t i = 0; i < graph.weight_shapes.size(); ++i) {
    const std::vector<float>& weight = spec.weights[i];
    if (static_cast<index_t>(weight.size()) != graph.weight_shapes[i].count())
      fail("weight " + graph.weight_names[i] + " has " + std::to_string(weight.size()) + " values, its shape " +
           GraphBuilder::to_string(graph.weight_shapes[i]) + " wants " +
           std::to_string(graph.weight_shapes[i].count()));
    for (const float value : weight)
      if (!math::isfinite(value)) fail("weight " + graph.weight_names[i] + " holds a value that is not finite");
    values.align();
    table.append(WeightEntry{values.bytes.size(), types[i], strings.add(graph.weight_names[i])});
    const std::vector<unsigned char> stored = encode_weight(spec, i, types[i]);
    values.append(stored.data(), stored.size());
  }
  return table;
}

Section input_section(const ModelSpec& spec) {
  InputSection input{};
  input.preprocess = spec.preprocess;
  input.channels = static_cast<int32_t>(spec.graph->input_shape.c);
  input.size_multiple = spec.size_multiple;
  input.fx = spec.fx;
  input.fy = spec.fy;
  Section section{SectionKind::input, {}};
  section.append(input);
  return section;
}

Section output_section(const ModelSpec& spec) {
  Section section{SectionKind::output, {}};
  section.append(OutputSection{spec.output, spec.min_depth, spec.max_depth, 0});
  return section;
}

Section golden_section(const ModelSpec& spec) {
  const Graph& graph = *spec.graph;
  const index_t count = graph.infer(graph.input_shape)[static_cast<size_t>(graph.outputs.at(0))].count();
  const index_t stride = golden_stride(count), expected = (count + stride - 1) / stride;
  if (!spec.golden.empty() && static_cast<index_t>(spec.golden.size()) != expected)
    fail("the golden sample has " + std::to_string(spec.golden.size()) + " values instead of " +
         std::to_string(expected) + "; compute_golden makes them");
  Section section{SectionKind::golden, {}};
  section.append(GoldenSection{spec.golden_seed,
                               GoldenInput::noise,
                               static_cast<uint32_t>(spec.golden.size()),
                               static_cast<uint32_t>(stride),
                               spec.golden_tolerance,
                               {}});
  section.append(spec.golden.data(), spec.golden.size() * sizeof(float));
  return section;
}

Section provenance_section(const ModelSpec& spec) {
  Section section{SectionKind::provenance, {}};
  std::vector<std::string> entries;
  for (const auto& [key, value] : spec.provenance) {
    if (key.empty() || key.find('=') != std::string::npos)
      fail("the provenance key \"" + key + "\" is empty or contains '='");
    std::string entry = key;
    entry.append("=").append(value);
    for (const char c : entry)
      if (static_cast<unsigned char>(c) < 0x20) fail("provenance " + key + " contains a control character");
    entries.push_back(std::move(entry));
  }
  // By the whole entry: "a-b=" sorts before "a=", though the key "a" sorts before "a-b".
  std::sort(entries.begin(), entries.end());
  for (const std::string& entry : entries) section.append(entry.c_str(), entry.size() + 1);
  return section;
}

Section plan_section(const ModelSpec& spec) {
  Section section{SectionKind::plan, {}};
  if (!spec.algorithms.empty() && spec.algorithms.size() != spec.graph->nodes.size())
    fail("algorithms has " + std::to_string(spec.algorithms.size()) + " entries, the graph " +
         std::to_string(spec.graph->nodes.size()) + " nodes");
  for (size_t i = 0; i < spec.graph->nodes.size(); ++i)
    section.append(spec.algorithms.empty() ? automatic : spec.algorithms[i]);
  return section;
}

Section quantization_section(const ModelSpec& spec) {
  Section section{SectionKind::quantization, {}};
  for (const Quantization& quantization : spec.graph->quantization) section.append(quantization);
  return section;
}

std::vector<unsigned char> assemble(const std::vector<Section>& sections) {
  const size_t table_end = sizeof(FileHeader) + sections.size() * sizeof(SectionEntry);
  std::vector<unsigned char> file(table_end);
  std::vector<SectionEntry> table;
  for (const Section& section : sections) {
    file.resize(align_up(file.size(), model_alignment));
    table.push_back({static_cast<uint32_t>(section.kind), crc32(section.bytes.data(), section.bytes.size()),
                     file.size(), section.bytes.size(), 0});
    file.insert(file.end(), section.bytes.begin(), section.bytes.end());
  }
  FileHeader header{};
  std::memcpy(header.magic, model_magic, sizeof model_magic);
  header.version = model_version;
  header.byte_order = model_byte_order;
  header.file_bytes = file.size();
  header.num_sections = static_cast<uint32_t>(sections.size());
  std::memcpy(file.data() + sizeof header, table.data(), table.size() * sizeof(SectionEntry));
  header.crc = crc32(file.data() + sizeof header, table.size() * sizeof(SectionEntry), crc32(&header, sizeof header));
  std::memcpy(file.data(), &header, sizeof header);
  return file;
}

/// Reads the bytes back as a device would.
void check(const std::vector<unsigned char>& file) {
  struct Free {
    void operator()(void* memory) const { std::free(memory); }
  };
  const std::unique_ptr<void, Free> memory(std::aligned_alloc(model_alignment, align_up(file.size(), model_alignment)));
  if (!memory) throw std::bad_alloc();
  std::memcpy(memory.get(), file.data(), file.size());
  char text[512];
  Message message(text, sizeof text);
  ModelView view;
  Status status = read_model(memory.get(), file.size(), true, &view, &message);
  if (status == Status::ok) {
    std::vector<Shape> values(static_cast<size_t>(view.graph.num_values));
    status = infer_model(view, view.input->preprocess.height, view.input->preprocess.width, values.data(), &message);
  }
  if (status != Status::ok) throw std::invalid_argument(text);
}

} // namespace

std::vector<WeightType> weight_types(const Graph& graph, WeightType type) {
  std::vector<WeightType> types;
  for (size_t w = 0; w < graph.weight_shapes.size(); ++w) types.push_back(user_of(graph, w) ? type : WeightType::f32);
  return types;
}

std::vector<std::vector<float>> stored_weights(const ModelSpec& spec) {
  std::vector<std::vector<float>> weights = spec.weights;
  const std::vector<WeightType> types = types_of(spec);
  for (size_t w = 0; w < weights.size(); ++w) {
    if (types[w] == WeightType::f32) continue;
    const Shape& shape = spec.graph->weight_shapes[w];
    const std::vector<unsigned char> stored = encode_weight(spec, w, types[w]);
    const WeightChannels channels = weight_channels(*user_of(*spec.graph, w), 0, shape);
    for (index_t n = 0; n < shape.n; ++n) decode_row(types[w], channels, shape, stored.data(), n, weights[w].data());
  }
  return weights;
}

std::vector<std::vector<unsigned char>> device_weights(const ModelSpec& spec) {
  const GraphView view = spec.graph->view();
  std::vector<std::vector<unsigned char>> weights;
  for (const std::vector<float>& values : stored_weights(spec)) {
    const auto* bytes = reinterpret_cast<const unsigned char*>(values.data());
    weights.emplace_back(bytes, bytes + values.size() * sizeof(float));
  }
  for (int32_t i = 0; i < view.num_nodes; ++i) {
    const int32_t w = view.nodes[i].weights[0];
    if (w != no_index && view.runs_on_bytes(i))
      weights[static_cast<size_t>(w)] = encode_weight(spec, static_cast<size_t>(w), WeightType::int8);
  }
  return weights;
}

std::vector<unsigned char> encode_model(const ModelSpec& spec) {
  if (!spec.graph) fail("no graph was given");
  const Graph& graph = *spec.graph;
  const Shape expected{1, spec.preprocess.height, spec.preprocess.width, graph.input_shape.c};
  if (!(graph.input_shape == expected))
    fail("the graph's input is " + GraphBuilder::to_string(graph.input_shape) + ", the preprocessing makes " +
         GraphBuilder::to_string(expected));
  if (graph.nodes.size() != graph.node_names.size() || graph.weight_shapes.size() != graph.weight_names.size() ||
      graph.weight_shapes.size() != spec.weights.size())
    fail("the graph has " + std::to_string(graph.weight_shapes.size()) + " weights, " +
         std::to_string(spec.weights.size()) + " were given");
  if (graph.outputs.empty() || graph.outputs.size() > static_cast<size_t>(max_outputs))
    fail("the graph has " + std::to_string(graph.outputs.size()) + " outputs, expected 1 to " +
         std::to_string(max_outputs));

  Strings strings;
  Section weights{SectionKind::weights, {}};
  const Section graph_nodes = graph_section(graph, strings);
  const Section weight_table = weight_sections(spec, strings, weights);
  std::vector<Section> sections = {
      graph_nodes,          weight_table,         strings.section(),        weights,           input_section(spec),
      output_section(spec), golden_section(spec), provenance_section(spec), plan_section(spec)};
  if (!graph.quantization.empty()) sections.push_back(quantization_section(spec));
  std::vector<unsigned char> file = assemble(sections);
  check(file);
  return file;
}

void write_model(const std::string& path, const ModelSpec& spec) {
  const std::vector<unsigned char> bytes = encode_model(spec);
  const std::string temporary = path + ".part";
  std::FILE* file = std::fopen(temporary.c_str(), "wb");
  if (!file)
    throw std::runtime_error("can't write " + temporary + ": " + std::strerror(errno) +
                             "; check that the folder exists and is writable");
  bool ok = std::fwrite(bytes.data(), 1, bytes.size(), file) == bytes.size();
  ok = std::fflush(file) == 0 && ok;
  const int reason = errno;
  ok = std::fclose(file) == 0 && ok;
  std::error_code error;
  if (ok) std::filesystem::rename(temporary, path, error);
  if (!ok || error) {
    const std::string why = ok ? error.message() : std::strerror(reason);
    std::filesystem::remove(temporary, error);
    throw std::runtime_error("can't write " + path + ": " + why);
  }
}

} // namespace leadline
