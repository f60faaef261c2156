#include "shared/model/model_file.hpp"

#include "shared/model/memory_plan.hpp"

#include <math.h>
#include <string.h>

namespace leadline {
namespace {

// Four bytes at a time, one where size counts: table[k][b] is the effect of byte b followed by k zero bytes.
#ifdef __OPTIMIZE_SIZE__
constexpr int crc_bytes = 1;
#else
constexpr int crc_bytes = 4;
#endif
struct CrcTable {
  uint32_t entry[crc_bytes][256] = {};
  constexpr CrcTable() {
    for (uint32_t b = 0; b < 256; ++b) {
      uint32_t crc = b;
      for (int bit = 0; bit < 8; ++bit) crc = crc >> 1 ^ ((crc & 1) != 0 ? 0xEDB88320u : 0u);
      entry[0][b] = crc;
    }
    for (int k = 1; k < crc_bytes; ++k)
      for (uint32_t b = 0; b < 256; ++b) entry[k][b] = entry[k - 1][b] >> 8 ^ entry[0][entry[k - 1][b] & 255];
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
  Reader(const void* data, size_t size, ModelView* view, Message* message)
      : data_(static_cast<const unsigned char*>(data)), size_(size), view_(*view), message_(*message) {}

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
  template <class... Parts> Status fail(Status status, Parts... parts) {
    return say(status, Message::kinds_of<Parts...>, Message::part(parts)...);
  }
  __attribute__((noinline, cold)) Status say(Status status, const char* kinds, ...) {
    message_ << "model file: ";
    va_list parts;
    va_start(parts, kinds);
    message_.list(kinds, parts);
    va_end(parts);
    message_ << " (" << status_text(status) << ")";
    return status;
  }
  template <class... Parts> Status invalid(Parts... parts) { return fail(Status::invalid_model, parts...); }

  const SectionEntry& section(SectionKind kind) const { return table_[found_[static_cast<uint32_t>(kind)]]; }
  size_t bytes(SectionKind kind) const { return static_cast<size_t>(section(kind).bytes); }
  template <class T> const T* at(SectionKind kind, size_t offset = 0) const {
    return reinterpret_cast<const T*>(data_ + section(kind).offset + offset);
  }
  Status wrong_size(SectionKind kind, uint64_t expected) {
    return invalid("section ", section_name(static_cast<uint32_t>(kind)), " has ", section(kind).bytes,
                   " bytes instead of ", expected, "; the file was made by a faulty writer: export the model again");
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
      return invalid("it has ", size_, " bytes, fewer than its header's ", sizeof(FileHeader),
                     "; the file was cut: copy or export it again");
    header_ = reinterpret_cast<const FileHeader*>(data_);
    if (memcmp(header_->magic, model_magic, sizeof model_magic) != 0)
      return invalid("it doesn't begin with \"LEADLINE\"; this is not a file that `leadline export` wrote");
    if (header_->byte_order != model_byte_order)
      return invalid("header field byte_order is ", header_->byte_order, " instead of ", model_byte_order,
                     "; the file is damaged: copy or export it again");
    if (header_->version != model_version)
      return fail(Status::version_mismatch, "its format version is ", header_->version, ", this library reads version ",
                  model_version, "; use a matching library or export the model again");
    if (header_->file_bytes > size_)
      return invalid("its header says ", header_->file_bytes, " bytes, but there are only ", size_,
                     "; the file was cut: copy or export it again");
    if (header_->num_sections < num_section_kinds || header_->num_sections > max_sections)
      return invalid("header field num_sections is ", header_->num_sections, ", expected ", num_section_kinds, " to ",
                     max_sections, "; the file is damaged: copy or export it again");
    if (sizeof(FileHeader) + header_->num_sections * sizeof(SectionEntry) > header_->file_bytes)
      return invalid("header field file_bytes is ", header_->file_bytes, ", too few for the table of sections");
    FileHeader without_crc = *header_;
    without_crc.crc = 0;
    table_ = reinterpret_cast<const SectionEntry*>(data_ + sizeof(FileHeader));
    const uint32_t crc =
        crc32(table_, header_->num_sections * sizeof(SectionEntry), crc32(&without_crc, sizeof without_crc));
    if (crc != header_->crc)
      return fail(Status::checksum_mismatch, "the checksum of its header is ", crc, " instead of ", header_->crc,
                  "; the file is damaged: copy or export it again");
    if (!all_zero(reinterpret_cast<const unsigned char*>(header_->reserved), sizeof header_->reserved))
      return invalid("a reserved field of the header is not zero");
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
        return invalid("entry ", i, " of the section table has kind ", entry.kind,
                       ", which is unknown or out of order");
      const uint64_t start = align_up(static_cast<size_t>(end), model_alignment);
      if (entry.offset != start) return invalid("section ", name, " starts at ", entry.offset, " instead of ", start);
      if (entry.offset > header_->file_bytes || entry.bytes > header_->file_bytes - entry.offset)
        return invalid("section ", name, " (", entry.bytes, " bytes from ", entry.offset, ") ends behind the file's ",
                       header_->file_bytes, " bytes");
      if (entry.reserved != 0) return invalid("a reserved field of section ", name, " is not zero");
      if (!all_zero(data_ + end, static_cast<size_t>(start - end)))
        return invalid("the bytes before section ", name,
                       " are not zero; the file is damaged: copy or export it again");
      end = entry.offset + entry.bytes;
      previous_kind = entry.kind;
      if (entry.kind <= last_section_kind) found_[entry.kind] = i;
    }
    for (uint32_t kind = 1; kind <= num_section_kinds; ++kind)
      if (found_[kind] == max_sections) return invalid("section ", section_name(kind), " is missing");
    if (end != header_->file_bytes)
      return invalid("its last section ends at ", end, ", the file at ", header_->file_bytes);
    return Status::ok;
  }

  Status check_sums() {
    for (uint32_t i = 0; i < header_->num_sections; ++i) {
      const SectionEntry& entry = table_[i];
      const uint32_t crc = crc32(data_ + entry.offset, static_cast<size_t>(entry.bytes));
      if (crc != entry.crc)
        return fail(Status::checksum_mismatch, "the checksum of section ", section_name(entry.kind), " is ", crc,
                    " instead of ", entry.crc, "; the file is damaged: copy or export it again");
    }
    return Status::ok;
  }

  Status read_strings() {
    view_.strings = at<char>(SectionKind::strings);
    if (bytes(SectionKind::strings) == 0 || !text_section_valid(view_.strings, bytes(SectionKind::strings)))
      return invalid("section strings is not zero-terminated UTF-8 text");
    return Status::ok;
  }

  Status check_name(const char* what, int32_t index, uint32_t name) {
    if (name < bytes(SectionKind::strings)) return Status::ok;
    return invalid("the name of ", what, " ", index, " is at ", name, " of section strings, which has ",
                   bytes(SectionKind::strings), " bytes");
  }

  Status read_graph() {
    if (bytes(SectionKind::graph) < sizeof(GraphSection)) return wrong_size(SectionKind::graph, sizeof(GraphSection));
    const GraphSection& graph = *at<GraphSection>(SectionKind::graph);
    if (graph.num_nodes < 1 || graph.num_nodes > max_nodes)
      return invalid("num_nodes of section graph is ", graph.num_nodes, ", expected 1 to ", max_nodes);
    if (graph.num_values < 1 || graph.num_values > max_nodes + 1)
      return invalid("num_values of section graph is ", graph.num_values, ", expected 1 to ", max_nodes + 1);
    if (graph.num_weights < 0 || graph.num_weights > max_nodes)
      return invalid("num_weights of section graph is ", graph.num_weights, ", expected 0 to ", max_nodes);
    if (graph.num_outputs < 1 || graph.num_outputs > max_outputs)
      return invalid("num_outputs of section graph is ", graph.num_outputs, ", expected 1 to ", max_outputs);
    const size_t nodes = static_cast<size_t>(graph.num_nodes);
    const size_t expected = sizeof(GraphSection) + nodes * (sizeof(Node) + sizeof(uint32_t));
    if (bytes(SectionKind::graph) != expected) return wrong_size(SectionKind::graph, expected);
    if (!all_zero(reinterpret_cast<const unsigned char*>(graph.reserved), sizeof graph.reserved))
      return invalid("a reserved field of section graph is not zero");
    view_.graph.nodes = at<Node>(SectionKind::graph, sizeof(GraphSection));
    view_.graph.num_nodes = graph.num_nodes;
    view_.graph.num_values = graph.num_values;
    view_.graph.num_weights = graph.num_weights;
    view_.graph.input = graph.input;
    view_.graph.num_outputs = graph.num_outputs;
    for (int o = 0; o < max_outputs; ++o) {
      view_.graph.outputs[o] = graph.outputs[o];
      if (o >= graph.num_outputs && graph.outputs[o] != no_index)
        return invalid("output ", o, " of section graph is ", graph.outputs[o], " instead of unused");
    }
    view_.name = graph.name;
    view_.node_names = at<uint32_t>(SectionKind::graph, sizeof(GraphSection) + nodes * sizeof(Node));
    if (graph.name >= bytes(SectionKind::strings)) return check_name("the network", 0, graph.name);
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
        return fail(Status::unsupported, "weight ", name, " has type ", static_cast<uint32_t>(entry.type),
                    "; this library reads f32 (0), f16 (1), bf16 (2) and int8 (3)");
      index_t values = 0;
      const Shape& shape = view_.graph.weight_shapes[i];
      if (shape.n < 1 || shape.h < 1 || shape.w < 1 || shape.c < 1 || checked_count(shape, &values) != Status::ok)
        return invalid("the shape of weight ", name, " is [", shape.n, ",", shape.h, ",", shape.w, ",", shape.c, "]");
      const uint64_t start = (end + model_alignment - 1) / model_alignment * model_alignment;
      if (entry.offset != start)
        return invalid("weight ", name, " starts at ", entry.offset, " of section weights instead of ", start);
      index_t channels = 0;
      if (entry.type != WeightType::f32) LEADLINE_TRY(read_channels(i, name, shape, &channels));
      const uint64_t size = weight_layout(entry.type, channels, values).bytes;
      if (start > section(SectionKind::weights).bytes || size > section(SectionKind::weights).bytes - start)
        return invalid("weight ", name, " (", size, " bytes from ", start, ") ends behind section weights, which has ",
                       bytes(SectionKind::weights), " bytes");
      end = start + size;
      if (entry.type == WeightType::int8) LEADLINE_TRY(check_scales(i, name, channels));
    }
    if (end != section(SectionKind::weights).bytes) return wrong_size(SectionKind::weights, end);
    view_.graph.stored = view_.weights;
    return Status::ok;
  }

  /// The output channels of weight `w`, which is stored in fewer bits: all its users must multiply with it, and agree.
  Status read_channels(int32_t w, const char* name, const Shape& shape, index_t* channels) {
    WeightChannels found;
    for (int32_t i = 0; i < view_.graph.num_nodes; ++i)
      for (int slot = 0; slot < max_weights; ++slot) {
        const Node& node = view_.graph.nodes[i];
        if (node.weights[slot] != w) continue;
        const WeightChannels used = weight_channels(node, slot, shape);
        if (used.count == 0 || (found.count != 0 && !(used == found)))
          return invalid("weight ", name, " is stored as ", weight_type_name(view_.weights[w].type), ", which node ",
                         view_.string(view_.node_names[i]), " can't use");
        found = used;
      }
    if (found.count == 0)
      return invalid("weight ", name, " is stored as ", weight_type_name(view_.weights[w].type),
                     ", but no node multiplies with it");
    *channels = found.count;
    return Status::ok;
  }

  Status check_scales(int32_t w, const char* name, index_t channels) {
    const float* scales = static_cast<const float*>(view_.weight(w));
    for (index_t c = 0; c < channels; ++c)
      if (!(scales[c] > 0) || !math::isfinite(scales[c]))
        return invalid("the scale of channel ", c, " of weight ", name, " is not positive and finite");
    return Status::ok;
  }

  Status read_input() {
    if (bytes(SectionKind::input) != sizeof(InputSection)) return wrong_size(SectionKind::input, sizeof(InputSection));
    const InputSection& input = *at<InputSection>(SectionKind::input);
    const Preprocess& preprocess = input.preprocess;
    if (!preprocess_valid(preprocess))
      return invalid("the preprocessing of section input can't be carried out: height ", preprocess.height, ", width ",
                     preprocess.width, ", resize ", static_cast<int32_t>(preprocess.resize), ", crop ",
                     static_cast<int32_t>(preprocess.crop), ", colour_order ",
                     static_cast<int32_t>(preprocess.colour_order), ", or mean or std out of range");
    if (input.channels < 1 || input.channels > max_extent)
      return invalid("channels of section input is ", input.channels);
    if (input.size_multiple < 0 || input.size_multiple > max_size_multiple ||
        (input.size_multiple > 0 &&
         (preprocess.height % input.size_multiple != 0 || preprocess.width % input.size_multiple != 0)))
      return invalid("size_multiple of section input is ", input.size_multiple,
                     ", which doesn't divide the default size ", preprocess.height, "x", preprocess.width);
    const bool unknown = input.fx == 0.0f && input.fy == 0.0f;
    const bool known = input.fx > 0.0f && input.fy > 0.0f && input.fx < 1e9f && input.fy < 1e9f;
    if (!unknown && !known) return invalid("fx or fy of section input is no focal length in pixels");
    if (input.reserved != 0) return invalid("a reserved field of section input is not zero");
    view_.input = &input;
    return Status::ok;
  }

  Status read_output() {
    if (bytes(SectionKind::output) != sizeof(OutputSection))
      return wrong_size(SectionKind::output, sizeof(OutputSection));
    const OutputSection& output = *at<OutputSection>(SectionKind::output);
    const float low = output.min_depth, high = output.max_depth;
    switch (output.kind) {
    case OutputKind::metric_depth:
      if (!(low >= 0.0f) || !(high > low) || !(high < 1e9f))
        return invalid("min_depth and max_depth of section output are no range in metres");
      break;
    case OutputKind::relative_depth:
    case OutputKind::values:
      if (!(low == 0.0f) || !(high == 0.0f))
        return invalid("min_depth and max_depth of section output must be 0 when it isn't metric");
      break;
    default: return invalid("kind of section output is ", static_cast<int32_t>(output.kind), ", expected 0 to 2");
    }
    if (output.reserved != 0) return invalid("a reserved field of section output is not zero");
    view_.output = &output;
    return Status::ok;
  }

  Status read_golden() {
    if (bytes(SectionKind::golden) < sizeof(GoldenSection))
      return wrong_size(SectionKind::golden, sizeof(GoldenSection));
    const GoldenSection& golden = *at<GoldenSection>(SectionKind::golden);
    if (golden.num_samples > max_golden_samples)
      return invalid("num_samples of section golden is ", golden.num_samples, ", expected at most ",
                     max_golden_samples);
    const size_t expected = sizeof(GoldenSection) + golden.num_samples * sizeof(float);
    if (bytes(SectionKind::golden) != expected) return wrong_size(SectionKind::golden, expected);
    if (golden.input != GoldenInput::noise)
      return fail(Status::unsupported, "input of section golden is ", static_cast<uint32_t>(golden.input),
                  "; this library knows noise (0) only");
    if (golden.stride < 1) return invalid("stride of section golden is 0");
    if (!(golden.tolerance >= 0.0f) || !(golden.tolerance <= 1.0f))
      return invalid("tolerance of section golden is not between 0 and 1");
    if (golden.reserved[0] != 0 || golden.reserved[1] != 0)
      return invalid("a reserved field of section golden is not zero");
    view_.golden = &golden;
    view_.golden_samples = at<float>(SectionKind::golden, sizeof(GoldenSection));
    for (uint32_t i = 0; i < golden.num_samples; ++i)
      if (!math::isfinite(view_.golden_samples[i])) return invalid("sample ", i, " of section golden is not finite");
    return Status::ok;
  }

  Status read_provenance() {
    view_.provenance = at<char>(SectionKind::provenance);
    view_.provenance_bytes = bytes(SectionKind::provenance);
    if (!text_section_valid(view_.provenance, view_.provenance_bytes))
      return invalid("section provenance is not zero-terminated UTF-8 text");
    const char* previous = "";
    for (size_t i = 0; i < view_.provenance_bytes; i += strlen(view_.provenance + i) + 1) {
      const char* entry = view_.provenance + i;
      if (entry[0] == '=' || !strchr(entry, '='))
        return invalid("entry \"", entry, "\" of section provenance is not key=value");
      if (strcmp(previous, entry) >= 0) return invalid("entry \"", entry, "\" of section provenance is out of order");
      previous = entry;
    }
    return Status::ok;
  }

  Status read_plan() {
    const uint64_t nodes = static_cast<uint64_t>(view_.graph.num_nodes);
    if (bytes(SectionKind::plan) != nodes) return wrong_size(SectionKind::plan, nodes);
    view_.algorithms = at<uint8_t>(SectionKind::plan);
    for (int32_t i = 0; i < view_.graph.num_nodes; ++i) {
      const Algorithm algorithm = static_cast<Algorithm>(view_.algorithms[i]);
      if (!allowed_algorithm(view_.graph.nodes[i].kind, algorithm))
        return fail(Status::unsupported, "node ", view_.string(view_.node_names[i]), " wants algorithm ",
                    view_.algorithms[i], ", which this library doesn't have for it");
    }
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
    *message << "model file: node " << view.string(view.node_names[i]) << " runs on bytes, but its weight "
             << view.string(view.weights[w].name) << " " << what;
    if (c > 0) *message << ", channel " << c - 1;
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
  if constexpr (crc_bytes == 4)
    for (; bytes >= 4; bytes -= 4, p += 4) {
      crc ^= p[0] | uint32_t{p[1]} << 8 | uint32_t{p[2]} << 16 | uint32_t{p[3]} << 24;
      crc = crc_table.entry[crc_bytes - 1][crc & 255] ^ crc_table.entry[crc_bytes - 2][crc >> 8 & 255] ^
            crc_table.entry[1][crc >> 16 & 255] ^ crc_table.entry[0][crc >> 24];
    }
  for (; bytes > 0; --bytes, ++p) crc = crc >> 8 ^ crc_table.entry[0][(crc ^ *p) & 255];
  return ~crc;
}

Status read_model(const void* data, size_t size, bool checksums, ModelView* view, Message* message) {
  return Reader(data, size, view, message).read(checksums);
}

Status infer_model(const ModelView& view, int32_t height, int32_t width, Shape* values, Message* message) {
  const Preprocess& preprocess = view.input->preprocess;
  const int32_t multiple = view.input->size_multiple;
  const bool is_default = height == preprocess.height && width == preprocess.width;
  if (!is_default && multiple == 0) {
    *message << "the network takes inputs of " << preprocess.height << "x" << preprocess.width
             << " (height x width) only, not " << height << "x" << width;
    return Status::invalid_shape;
  }
  if (!is_default && (height < 1 || width < 1 || height > max_image_side || width > max_image_side ||
                      height % multiple != 0 || width % multiple != 0)) {
    *message << "height and width of the network's input must be multiples of " << multiple << " up to "
             << max_image_side << ", not " << height << "x" << width;
    return Status::invalid_shape;
  }

  const Shape input{1, height, width, view.input->channels};
  GraphError error;
  if (const Status status = infer_shapes(view.graph, input, values, &error); status != Status::ok) {
    *message << "model file: ";
    if (error.node == no_index)
      *message << "its graph";
    else
      *message << "node " << view.string(view.node_names[error.node]) << " ("
               << layer_name(view.graph.nodes[error.node].kind) << ")";
    *message << ": " << error.what << ", for an input of " << height << "x" << width << "x" << view.input->channels
             << " (" << status_text(status) << ")";
    return status;
  }
  for (int32_t v = 0; v < view.graph.num_values; ++v)
    if (values[v].count() > max_value_count) {
      *message << "model file: value " << v << " has " << values[v].count() << " elements, more than "
               << max_value_count;
      return Status::overflow;
    }

  LEADLINE_TRY(check_int8_weights(view, values, message));
  const Shape& output = values[view.graph.outputs[0]];
  if (view.output->kind != OutputKind::values && output.c != 1) {
    *message << "model file: the output is depth, but has " << output.c << " channels instead of 1";
    return Status::invalid_model;
  }
  const uint32_t samples = view.golden->num_samples;
  if (is_default && samples > 0 &&
      uint64_t{samples - 1} * view.golden->stride >= static_cast<uint64_t>(output.count())) {
    *message << "model file: section golden has " << samples << " samples at stride " << view.golden->stride
             << ", more than the output's " << output.count() << " values";
    return Status::invalid_model;
  }
  return Status::ok;
}

} // namespace leadline
