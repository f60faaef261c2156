#include "shared/model/model_file.hpp"

#include "shared/model/memory_plan.hpp"

#include <math.h>
#include <string.h>

namespace leadline {
namespace {

/// `crc` followed by so many zero bits.
constexpr uint32_t crc_shifted(uint32_t crc, uint32_t bits) {
  for (; bits > 0; --bits) crc = crc >> 1 ^ ((crc & 1) != 0 ? 0xEDB88320u : 0u);
  return crc;
}

// Sixteen bytes at a time, half a byte where size counts: entry[k][b] is the effect of byte (or half) b followed by k
// zero bytes.
#ifdef __OPTIMIZE_SIZE__
constexpr uint32_t crc_bytes = 1, crc_bits = 4;
#else
constexpr uint32_t crc_bytes = 16, crc_bits = 8;
#endif
struct CrcTable {
  uint32_t entry[crc_bytes][1u << crc_bits] = {};
  constexpr CrcTable() {
    for (uint32_t k = 0; k < crc_bytes; ++k)
      for (uint32_t b = 0; b < 1u << crc_bits; ++b) entry[k][b] = crc_shifted(b, crc_bits * (k + 1));
  }
};
constexpr CrcTable crc_table;

constexpr const char* section_names[last_section_kind + 1] = {"unknown",    "graph", "weight_table", "strings",
                                                              "weights",    "input", "output",       "golden",
                                                              "provenance", "plan",  "quantization"};

constexpr int32_t max_size_multiple = max_image_side;
/// Largest number of elements of a value at the default size: keeps sums of costs far from overflow.
constexpr index_t max_value_count = index_t{1} << 36;

bool all_zero(const unsigned char* bytes, size_t count) {
  for (size_t i = 0; i < count; ++i)
    if (bytes[i] != 0) return false;
  return true;
}

/// Zero-terminated strings of well-formed UTF-8 without control characters.
bool text_section_valid(const char* text, size_t bytes) {
  const unsigned char* s = reinterpret_cast<const unsigned char*>(text);
  if (bytes != 0 && s[bytes - 1] != 0) return false;
  for (size_t i = 0; i < bytes;) {
    const unsigned char lead = s[i];
    const int length = lead < 0x80 ? 1 : lead < 0xC2 ? 0 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : lead < 0xF5 ? 4 : 0;
    if (length == 0 || static_cast<size_t>(length) > bytes - i) return false;
    if (length == 1 && lead != 0 && (lead < 0x20 || lead == 0x7F)) return false;
    for (int k = 1; k < length; ++k)
      if ((s[i + static_cast<size_t>(k)] & 0xC0) != 0x80) return false;
    // Overlong forms, surrogates, beyond U+10FFFF.
    if ((lead == 0xE0 && s[i + 1] < 0xA0) || (lead == 0xED && s[i + 1] > 0x9F) || (lead == 0xF0 && s[i + 1] < 0x90) ||
        (lead == 0xF4 && s[i + 1] > 0x8F))
      return false;
    i += static_cast<size_t>(length);
  }
  return true;
}

/// One call to read_model.
class Reader {
public:
  Reader(const void* data, size_t size, ModelView* view, Message* message, void (*forget)(const void*, size_t))
      : data_(static_cast<const unsigned char*>(data)), size_(size), view_(*view), message_(*message), forget_(forget) {
  }

  Status read(bool checksums) {
    view_ = ModelView{};
    LEADLINE_TRY(read_header());
    LEADLINE_TRY(read_table());
    if (checksums) LEADLINE_TRY(check_sums());
    LEADLINE_TRY(read_strings());
    LEADLINE_TRY(read_graph());
    LEADLINE_TRY(read_weights());
    LEADLINE_TRY(read_input());
    LEADLINE_TRY(read_output());
    LEADLINE_TRY(read_golden());
    LEADLINE_TRY(read_provenance());
    LEADLINE_TRY(read_plan());
    return read_quantization();
  }

private:
  static constexpr const char* is_damaged = "; the file is damaged: copy or export it again";
  static constexpr const char* was_cut = "; the file was cut: copy or export it again";

  template <class... Parts> Status fail(Status status, Format<Parts...> format, Parts... parts) {
    return say(status, format.text, Message::part(parts)...);
  }
  template <class... Parts> Status invalid(Format<Parts...> format, Parts... parts) {
    return say(Status::invalid_model, format.text, Message::part(parts)...);
  }
  __attribute__((noinline, cold)) Status say(Status status, const char* format, ...) {
    message_ << "model file: ";
    va_list parts;
    va_start(parts, format);
    message_.list(format, parts);
    va_end(parts);
    message_.format(" (%s)", status_text(status));
    return status;
  }
  Status in_range(const char* field, int64_t value, int64_t low, int64_t high) {
    if (value >= low && value <= high) return Status::ok;
    return invalid("%s is %i, expected %i to %i", field, value, low, high);
  }
  Status reserved(const char* where, const void* bytes, size_t count) {
    if (all_zero(static_cast<const unsigned char*>(bytes), count)) return Status::ok;
    return invalid("a reserved field of %s is not zero", where);
  }

  const SectionEntry& section(SectionKind kind) const { return table_[found_[static_cast<uint32_t>(kind)]]; }
  size_t bytes(SectionKind kind) const { return static_cast<size_t>(section(kind).bytes); }
  template <class T> const T* at(SectionKind kind, size_t offset = 0) const {
    return reinterpret_cast<const T*>(data_ + section(kind).offset + offset);
  }
  Status wrong_size(SectionKind kind, uint64_t expected) {
    return invalid(
        "section %s has %u bytes instead of %u; the file was made by a faulty writer: export the model again",
        section_name(static_cast<uint32_t>(kind)), section(kind).bytes, expected);
  }

  Status read_header() {
#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    return fail(Status::unsupported, "model files are little-endian and used in place; this machine is big-endian");
#endif
    if (!data_) return fail(Status::invalid_argument, "data is null");
    if (reinterpret_cast<uintptr_t>(data_) % model_alignment != 0)
      return fail(Status::invalid_argument,
                  "the memory that holds it is not aligned to 64 bytes; declare the array with "
                  "alignas(64) or use aligned_alloc, mmap or leadline_model_open_file");
    if (size_ < sizeof(FileHeader))
      return invalid("it has %u bytes, fewer than its header's %u%s", size_, sizeof(FileHeader), was_cut);
    header_ = reinterpret_cast<const FileHeader*>(data_);
    if (memcmp(header_->magic, model_magic, sizeof model_magic) != 0)
      return invalid("it doesn't begin with \"LEADLINE\"; this is not a file that `leadline export` wrote");
    if (header_->byte_order != model_byte_order)
      return invalid("header field byte_order is %u instead of %u%s", header_->byte_order, model_byte_order,
                     is_damaged);
    if (header_->version != model_version)
      return fail(Status::version_mismatch,
                  "its format version is %u, this library reads version %u; use a matching library or export the model "
                  "again",
                  header_->version, model_version);
    if (header_->file_bytes > size_)
      return invalid("its header says %u bytes, but there are only %u%s", header_->file_bytes, size_, was_cut);
    LEADLINE_TRY(in_range("header field num_sections", header_->num_sections, num_section_kinds, max_sections));
    if (sizeof(FileHeader) + header_->num_sections * sizeof(SectionEntry) > header_->file_bytes)
      return invalid("header field file_bytes is %u, too few for the table of sections", header_->file_bytes);
    FileHeader without_crc = *header_;
    without_crc.crc = 0;
    table_ = reinterpret_cast<const SectionEntry*>(data_ + sizeof(FileHeader));
    const uint32_t crc =
        crc32(table_, header_->num_sections * sizeof(SectionEntry), crc32(&without_crc, sizeof without_crc));
    LEADLINE_TRY(check_sum("its ", "header", crc, header_->crc));
    LEADLINE_TRY(reserved("the header", header_->reserved, sizeof header_->reserved));
    view_.file_bytes = static_cast<size_t>(header_->file_bytes);
    return Status::ok;
  }

  /// Sections lie behind one another, so checking each against the end of the one before excludes every overlap.
  Status read_table() {
    for (uint32_t& index : found_) index = max_sections;
    uint64_t end = sizeof(FileHeader) + header_->num_sections * sizeof(SectionEntry);
    uint32_t previous_kind = 0;
    for (uint32_t i = 0; i < header_->num_sections; ++i) {
      const SectionEntry& entry = table_[i];
      const char* name = section_name(entry.kind);
      if (entry.kind <= previous_kind || (entry.kind > last_section_kind && entry.kind < first_optional_section))
        return invalid("entry %u of the section table has kind %u, which is unknown or out of order", i, entry.kind);
      const uint64_t start = align_up(static_cast<size_t>(end), model_alignment);
      if (entry.offset != start) return invalid("section %s starts at %u instead of %u", name, entry.offset, start);
      if (entry.offset > header_->file_bytes || entry.bytes > header_->file_bytes - entry.offset)
        return invalid("section %s (%u bytes from %u) ends behind the file's %u bytes", name, entry.bytes, entry.offset,
                       header_->file_bytes);
      LEADLINE_TRY(reserved("the section table", &entry.reserved, sizeof entry.reserved));
      if (!all_zero(data_ + end, static_cast<size_t>(start - end)))
        return invalid("the bytes before section %s are not zero%s", name, is_damaged);
      end = entry.offset + entry.bytes;
      previous_kind = entry.kind;
      if (entry.kind <= last_section_kind) found_[entry.kind] = i;
    }
    for (uint32_t kind = 1; kind <= num_section_kinds; ++kind)
      if (found_[kind] == max_sections) return invalid("section %s is missing", section_name(kind));
    if (end != header_->file_bytes)
      return invalid("its last section ends at %u, the file at %u", end, header_->file_bytes);
    return Status::ok;
  }

  Status check_sum(const char* what, const char* name, uint32_t crc, uint32_t expected) {
    if (crc == expected) return Status::ok;
    return fail(Status::checksum_mismatch, "the checksum of %s%s is %u instead of %u%s", what, name, crc, expected,
                is_damaged);
  }
  Status check_sums() {
    for (uint32_t i = 0; i < header_->num_sections; ++i) {
      const SectionEntry& entry = table_[i];
      constexpr size_t step = size_t{1} << 20;
      uint32_t crc = 0;
      for (size_t at = 0, bytes = static_cast<size_t>(entry.bytes); at < bytes; at += step) {
        crc = crc32(data_ + entry.offset + at, bytes - at < step ? bytes - at : step, crc);
        if (forget_) forget_(data_, size_);
      }
      LEADLINE_TRY(check_sum("section ", section_name(entry.kind), crc, entry.crc));
    }
    return Status::ok;
  }

  Status read_strings() {
    view_.strings = at<char>(SectionKind::strings);
    if (bytes(SectionKind::strings) == 0 || !text_section_valid(view_.strings, bytes(SectionKind::strings)))
      return not_text("strings");
    return Status::ok;
  }
  Status not_text(const char* name) { return invalid("section %s is not zero-terminated UTF-8 text", name); }

  Status check_name(const char* what, int32_t index, uint32_t name) {
    if (name < bytes(SectionKind::strings)) return Status::ok;
    return invalid("the name of %s %i is at %u of section strings, which has %u bytes", what, index, name,
                   bytes(SectionKind::strings));
  }

  Status read_graph() {
    if (bytes(SectionKind::graph) < sizeof(GraphSection)) return wrong_size(SectionKind::graph, sizeof(GraphSection));
    const GraphSection& graph = *at<GraphSection>(SectionKind::graph);
    LEADLINE_TRY(in_range("num_nodes of section graph", graph.num_nodes, 1, max_nodes));
    LEADLINE_TRY(in_range("num_values of section graph", graph.num_values, 1, max_nodes + 1));
    LEADLINE_TRY(in_range("num_weights of section graph", graph.num_weights, 0, max_nodes));
    LEADLINE_TRY(in_range("num_outputs of section graph", graph.num_outputs, 1, max_outputs));
    const size_t nodes = static_cast<size_t>(graph.num_nodes);
    const size_t expected = sizeof(GraphSection) + nodes * (sizeof(Node) + sizeof(uint32_t));
    if (bytes(SectionKind::graph) != expected) return wrong_size(SectionKind::graph, expected);
    LEADLINE_TRY(reserved("section graph", graph.reserved, sizeof graph.reserved));
    view_.graph.nodes = at<Node>(SectionKind::graph, sizeof(GraphSection));
    view_.graph.num_nodes = graph.num_nodes;
    view_.graph.num_values = graph.num_values;
    view_.graph.num_weights = graph.num_weights;
    view_.graph.input = graph.input;
    view_.graph.num_outputs = graph.num_outputs;
    for (int o = 0; o < max_outputs; ++o) {
      view_.graph.outputs[o] = graph.outputs[o];
      if (o >= graph.num_outputs && graph.outputs[o] != no_index)
        return invalid("output %i of section graph is %i instead of unused", o, graph.outputs[o]);
    }
    view_.name = graph.name;
    view_.node_names = at<uint32_t>(SectionKind::graph, sizeof(GraphSection) + nodes * sizeof(Node));
    LEADLINE_TRY(check_name("the network", 0, graph.name));
    for (int32_t i = 0; i < graph.num_nodes; ++i) LEADLINE_TRY(check_name("node", i, view_.node_names[i]));
    return Status::ok;
  }

  Status read_weights() {
    const size_t count = static_cast<size_t>(view_.graph.num_weights);
    const size_t expected = count * (sizeof(Shape) + sizeof(WeightEntry));
    if (bytes(SectionKind::weight_table) != expected) return wrong_size(SectionKind::weight_table, expected);
    view_.graph.weight_shapes = at<Shape>(SectionKind::weight_table);
    view_.weights = at<WeightEntry>(SectionKind::weight_table, count * sizeof(Shape));
    view_.weight_data = at<unsigned char>(SectionKind::weights);
    view_.weight_bytes = bytes(SectionKind::weights);
    uint64_t end = 0;
    for (int32_t i = 0; i < view_.graph.num_weights; ++i) {
      const WeightEntry& entry = view_.weights[i];
      LEADLINE_TRY(check_name("weight", i, entry.name));
      const char* name = view_.string(entry.name);
      if (static_cast<uint32_t>(entry.type) > static_cast<uint32_t>(WeightType::int8))
        return fail(Status::unsupported,
                    "weight %s has type %u; this library reads f32 (0), f16 (1), bf16 (2) and int8 (3)", name,
                    static_cast<uint32_t>(entry.type));
      index_t values = 0;
      const Shape& shape = view_.graph.weight_shapes[i];
      if (shape.n < 1 || shape.h < 1 || shape.w < 1 || shape.c < 1 || checked_count(shape, &values) != Status::ok)
        return invalid("the shape of weight %s is [%i,%i,%i,%i]", name, shape.n, shape.h, shape.w, shape.c);
      const uint64_t start = (end + model_alignment - 1) / model_alignment * model_alignment;
      if (entry.offset != start)
        return invalid("weight %s starts at %u of section weights instead of %u", name, entry.offset, start);
      index_t channels = 0;
      if (entry.type != WeightType::f32) LEADLINE_TRY(read_channels(i, name, shape, &channels));
      const uint64_t size = weight_layout(entry.type, channels, values).bytes;
      if (start > view_.weight_bytes || size > view_.weight_bytes - start)
        return invalid("weight %s (%u bytes from %u) ends behind section weights, which has %u bytes", name, size,
                       start, view_.weight_bytes);
      end = start + size;
      if (entry.type == WeightType::int8) LEADLINE_TRY(check_scales(i, name, channels));
    }
    if (end != view_.weight_bytes) return wrong_size(SectionKind::weights, end);
    view_.graph.stored = view_.weights;
    return Status::ok;
  }

  /// The output channels of weight `w`, which is stored in fewer bits: all its users must multiply with it, and agree.
  Status read_channels(int32_t w, const char* name, const Shape& shape, index_t* channels) {
    const char* type = weight_type_name(view_.weights[w].type);
    WeightChannels found;
    for (int32_t i = 0; i < view_.graph.num_nodes; ++i)
      for (int slot = 0; slot < max_weights; ++slot) {
        const Node& node = view_.graph.nodes[i];
        if (node.weights[slot] != w) continue;
        const WeightChannels used = weight_channels(node, slot, shape);
        if (used.count == 0 || (found.count != 0 && !(used == found)))
          return invalid("weight %s is stored as %s, which node %s can't use", name, type,
                         view_.string(view_.node_names[i]));
        found = used;
      }
    if (found.count == 0) return invalid("weight %s is stored as %s, but no node multiplies with it", name, type);
    *channels = found.count;
    return Status::ok;
  }

  Status check_scales(int32_t w, const char* name, index_t channels) {
    const float* scales = static_cast<const float*>(view_.weight(w));
    for (index_t c = 0; c < channels; ++c)
      if (!(scales[c] > 0) || !math::isfinite(scales[c]))
        return invalid("the scale of channel %i of weight %s is not positive and finite", c, name);
    return Status::ok;
  }

  Status read_input() {
    if (bytes(SectionKind::input) != sizeof(InputSection)) return wrong_size(SectionKind::input, sizeof(InputSection));
    const InputSection& input = *at<InputSection>(SectionKind::input);
    const Preprocess& preprocess = input.preprocess;
    if (!preprocess_valid(preprocess))
      return invalid(
          "the preprocessing of section input can't be carried out: height %i, width %i, resize %i, crop %i, "
          "colour_order %i, or mean or std out of range",
          preprocess.height, preprocess.width, static_cast<int32_t>(preprocess.resize),
          static_cast<int32_t>(preprocess.crop), static_cast<int32_t>(preprocess.colour_order));
    LEADLINE_TRY(in_range("channels of section input", input.channels, 1, max_extent));
    const int32_t multiple = input.size_multiple;
    LEADLINE_TRY(in_range("size_multiple of section input", multiple, 0, max_size_multiple));
    if (multiple > 0 && (preprocess.height % multiple != 0 || preprocess.width % multiple != 0))
      return invalid("size_multiple of section input is %i, which doesn't divide the default size %ix%i", multiple,
                     preprocess.height, preprocess.width);
    const bool unknown = input.fx == 0.0f && input.fy == 0.0f;
    const bool known = input.fx > 0.0f && input.fy > 0.0f && input.fx < 1e9f && input.fy < 1e9f;
    if (!unknown && !known) return invalid("fx or fy of section input is no focal length in pixels");
    view_.input = &input;
    return reserved("section input", &input.reserved, sizeof input.reserved);
  }

  Status read_output() {
    if (bytes(SectionKind::output) != sizeof(OutputSection))
      return wrong_size(SectionKind::output, sizeof(OutputSection));
    const OutputSection& output = *at<OutputSection>(SectionKind::output);
    const float low = output.min_depth, high = output.max_depth;
    LEADLINE_TRY(in_range("kind of section output", static_cast<int32_t>(output.kind), 0, 2));
    if (output.kind == OutputKind::metric_depth) {
      if (!(low >= 0.0f) || !(high > low) || !(high < 1e9f))
        return invalid("min_depth and max_depth of section output are no range in metres");
    } else if (!(low == 0.0f) || !(high == 0.0f)) {
      return invalid("min_depth and max_depth of section output must be 0 when it isn't metric");
    }
    view_.output = &output;
    return reserved("section output", &output.reserved, sizeof output.reserved);
  }

  Status read_golden() {
    if (bytes(SectionKind::golden) < sizeof(GoldenSection))
      return wrong_size(SectionKind::golden, sizeof(GoldenSection));
    const GoldenSection& golden = *at<GoldenSection>(SectionKind::golden);
    LEADLINE_TRY(in_range("num_samples of section golden", golden.num_samples, 0, max_golden_samples));
    const size_t expected = sizeof(GoldenSection) + golden.num_samples * sizeof(float);
    if (bytes(SectionKind::golden) != expected) return wrong_size(SectionKind::golden, expected);
    if (golden.input != GoldenInput::noise)
      return fail(Status::unsupported, "input of section golden is %u; this library knows noise (0) only",
                  static_cast<uint32_t>(golden.input));
    if (golden.stride < 1) return invalid("stride of section golden is 0");
    if (!(golden.tolerance >= 0.0f) || !(golden.tolerance <= 1.0f))
      return invalid("tolerance of section golden is not between 0 and 1");
    view_.golden = &golden;
    view_.golden_samples = at<float>(SectionKind::golden, sizeof(GoldenSection));
    for (uint32_t i = 0; i < golden.num_samples; ++i)
      if (!math::isfinite(view_.golden_samples[i])) return invalid("sample %u of section golden is not finite", i);
    return reserved("section golden", golden.reserved, sizeof golden.reserved);
  }

  Status read_provenance() {
    view_.provenance = at<char>(SectionKind::provenance);
    view_.provenance_bytes = bytes(SectionKind::provenance);
    if (!text_section_valid(view_.provenance, view_.provenance_bytes)) return not_text("provenance");
    const char* previous = "";
    for (size_t i = 0; i < view_.provenance_bytes; i += strlen(view_.provenance + i) + 1) {
      const char* entry = view_.provenance + i;
      const bool pair = entry[0] != '=' && strchr(entry, '=');
      if (!pair || strcmp(previous, entry) >= 0)
        return invalid("entry \"%s\" of section provenance is %s", entry, pair ? "out of order" : "not key=value");
      previous = entry;
    }
    return Status::ok;
  }

  Status read_plan() {
    const uint64_t nodes = static_cast<uint64_t>(view_.graph.num_nodes);
    if (bytes(SectionKind::plan) != nodes) return wrong_size(SectionKind::plan, nodes);
    view_.algorithms = at<uint8_t>(SectionKind::plan);
    for (int32_t i = 0; i < view_.graph.num_nodes; ++i)
      if (!allowed_algorithm(view_.graph.nodes[i].kind, static_cast<Algorithm>(view_.algorithms[i])))
        return fail(Status::unsupported, "node %s wants algorithm %u, which this library doesn't have for it",
                    view_.string(view_.node_names[i]), view_.algorithms[i]);
    return Status::ok;
  }

  Status read_quantization() {
    if (found_[static_cast<uint32_t>(SectionKind::quantization)] == max_sections) return Status::ok;
    const uint64_t expected = static_cast<uint64_t>(view_.graph.num_values) * sizeof(Quantization);
    if (bytes(SectionKind::quantization) != expected) return wrong_size(SectionKind::quantization, expected);
    view_.graph.quantization = at<Quantization>(SectionKind::quantization);
    return Status::ok;
  }

  const unsigned char* data_;
  size_t size_;
  ModelView& view_;
  Message& message_;
  void (*forget_)(const void* data, size_t size);
  const FileHeader* header_ = nullptr;
  const SectionEntry* table_ = nullptr;
  uint32_t found_[last_section_kind + 1]; // by kind: index into the table; max_sections where it is missing
};

/// What nodes that run on bytes multiply with and add.
Status check_int8_weights(const ModelView& view, const Shape* values, Message* message) {
  const GraphView& graph = view.graph;
  for (int32_t i = 0; i < graph.num_nodes; ++i) {
    const Node& node = graph.nodes[i];
    const int32_t w = node.weights[0];
    if (!graph.runs_on_bytes(i) || w == no_index) continue;
    const index_t channels = values[node.output].c;
    const char* what = nullptr;
    index_t c = 0;
    if (graph.weight_type(w) != WeightType::int8) {
      what = "is not stored as int8";
    } else {
      const float* scales = int8_weight(view.weight(w), channels).scales;
      const float* bias =
          node.weights[1] == no_index ? nullptr : static_cast<const float*>(view.weight(node.weights[1]));
      const float src = graph.value_quantization(node.inputs[0]).scale;
      for (; c < channels && !what; ++c) {
        const float largest = max_int8_bias * (src * scales[c]);
        if (!valid_scale(scales[c])) what = "has a scale that is not in [2^-40, 2^40]";
        if (bias && !(bias[c] >= -largest && bias[c] <= largest)) what = "has a scale that is too small for the bias";
      }
    }
    if (!what) continue;
    message->format("model file: node %s runs on bytes, but its weight %s %s", view.string(view.node_names[i]),
                    view.string(view.weights[w].name), what);
    if (c > 0) message->format(", channel %i", c - 1);
    *message << "; export the model again";
    return Status::invalid_model;
  }
  return Status::ok;
}

} // namespace

const char* section_name(uint32_t kind) { return section_names[kind <= last_section_kind ? kind : 0]; }

uint32_t crc32(const void* data, size_t bytes, uint32_t crc) {
  const unsigned char* p = static_cast<const unsigned char*>(data);
  crc = ~crc;
  if constexpr (crc_bytes > 1)
    for (; bytes >= crc_bytes; bytes -= crc_bytes, p += crc_bytes) {
      uint32_t next = 0;
      for (uint32_t k = 0; k < crc_bytes; ++k) // the sums before them meet the first four bytes
        next ^= crc_table.entry[crc_bytes - 1 - k][p[k] ^ (k < 4 ? crc >> 8 * k & 255 : 0)];
      crc = next;
    }
  for (; bytes > 0; --bytes, ++p) {
    crc ^= *p;
    for (uint32_t bits = 0; bits < 8; bits += crc_bits)
      crc = crc >> crc_bits ^ crc_table.entry[0][crc & ((1u << crc_bits) - 1)];
  }
  return ~crc;
}

Status read_model(const void* data, size_t size, bool checksums, ModelView* view, Message* message,
                  void (*forget)(const void* data, size_t size)) {
  return Reader(data, size, view, message, forget).read(checksums);
}

Status infer_model(const ModelView& view, int32_t height, int32_t width, Shape* values, Message* message) {
  const Preprocess& preprocess = view.input->preprocess;
  const int32_t multiple = view.input->size_multiple;
  const bool is_default = height == preprocess.height && width == preprocess.width;
  if (!is_default && multiple == 0) {
    message->format("the network takes inputs of %ix%i (height x width) only, not %ix%i", preprocess.height,
                    preprocess.width, height, width);
    return Status::invalid_shape;
  }
  if (!is_default && (height < 1 || width < 1 || height > max_image_side || width > max_image_side ||
                      height % multiple != 0 || width % multiple != 0)) {
    message->format("height and width of the network's input must be multiples of %i up to %i, not %ix%i", multiple,
                    max_image_side, height, width);
    return Status::invalid_shape;
  }

  const Shape input{1, height, width, view.input->channels};
  GraphError error;
  if (const Status status = infer_shapes(view.graph, input, values, &error); status != Status::ok) {
    *message << "model file: ";
    if (error.node == no_index)
      *message << "its graph";
    else
      message->format("node %s (%s)", view.string(view.node_names[error.node]),
                      layer_name(view.graph.nodes[error.node].kind));
    message->format(": %s, for an input of %ix%ix%i (%s)", error.what, height, width, view.input->channels,
                    status_text(status));
    return status;
  }
  for (int32_t v = 0; v < view.graph.num_values; ++v)
    if (values[v].count() > max_value_count) {
      message->format("model file: value %i has %i elements, more than %i", v, values[v].count(), max_value_count);
      return Status::overflow;
    }

  LEADLINE_TRY(check_int8_weights(view, values, message));
  const Shape& output = values[view.graph.outputs[0]];
  if (view.output->kind != OutputKind::values && output.c != 1) {
    message->format("model file: the output is depth, but has %i channels instead of 1", output.c);
    return Status::invalid_model;
  }
  const uint32_t samples = view.golden->num_samples;
  if (is_default && samples > 0 &&
      uint64_t{samples - 1} * view.golden->stride >= static_cast<uint64_t>(output.count())) {
    message->format("model file: section golden has %u samples at stride %u, more than the output's %i values", samples,
                    view.golden->stride, output.count());
    return Status::invalid_model;
  }
  return Status::ok;
}

} // namespace leadline
