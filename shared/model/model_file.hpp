// model.lead: one trained network in one file, checked once and then used in place, from mmap, flash or an array.
//
// Format, version 1 (not frozen before the library's 1.0). Numbers are little-endian, floats IEEE 754.
//
//  1. The file is a FileHeader, its table of SectionEntry, then the sections in the order of the table, which is that
//  of
//     their kinds. Sections start at the next multiple of 64 bytes; the bytes between are zero; the file ends with the
//     last section. Every section of SectionKind but `quantization` is there, exactly once. Kinds from
//     `first_optional_section` on are ignored by readers that don't know them.
//  2. `FileHeader::crc` is the CRC-32 (IEEE 802.3, as in zlib and PNG) of header and table with that field zero;
//     `SectionEntry::crc` that of the section's bytes. Reserved fields are zero.
//  3. `strings`: UTF-8 strings, each ended by a zero byte, the last byte zero. A name is an offset into it.
//  4. `graph`: a GraphSection, `num_nodes` Nodes (graph.hpp), `num_nodes` names (uint32).
//  5. `weight_table`: `num_weights` Shapes (tensor.hpp), then `num_weights` WeightEntry.
//  6. `weights`: the weights in the order of the table, each at a multiple of 64 bytes from the section's start, dense
//     in its layer's own layout. What conv2d, conv_transpose2d and linear multiply with may be stored in fewer bits
//     than f32's: f16, bf16, or int8, where a scale for each output channel (float, finite, positive) comes first,
//     and at the next multiple of 64 bytes the values: a weight is scale * value, -127 to 127 (weight_storage.hpp).
//  7. `input`: an InputSection. Preprocess::height and width are the default size; the graph accepts [1,H,W,channels].
//  8. `output`: an OutputSection; it speaks of the graph's first output.
//  9. `golden`: a GoldenSection and its samples (float): values 0, stride, 2 stride, ... of the first output, dense in
//     [1,H,W,C], of the default size for the input that `golden_input` defines. No samples: no self-test.
// 10. `provenance`: strings "key=value", each ended by a zero byte, UTF-8, sorted by their
//     bytes.
// 11. `plan`: one byte for each node, the Algorithm that a host uses, 255 where it chooses itself from shapes, ISA
// level
//     and memory limit. What it can't do for a shape is done by host_gemm; layers without kernels have 255 or portable.
// 12. `quantization`, in files that have quantised values alone: a Quantization (quantization.hpp) for each value. A
//     node with such values runs on bytes; what it multiplies with is stored in int8.
// 13. A graph obeys infer_shapes at the default size. When the output is metric_depth it has one channel.
//
// Nothing in a file is trusted before read_model and infer_model have both said ok; they accept arbitrary bytes.
#pragma once

#include "shared/core/image.hpp"
#include "shared/core/rng.hpp"
#include "shared/model/graph.hpp"
#include "shared/model/message.hpp"
#include "shared/model/weight_storage.hpp"

namespace leadline {

constexpr char model_magic[8] = {'L', 'E', 'A', 'D', 'L', 'I', 'N', 'E'};
constexpr uint32_t model_version = 1;
constexpr uint32_t model_byte_order = 0x01020304;
constexpr size_t model_alignment = 64; ///< of sections, weights, and of the memory that holds a file

enum class SectionKind : uint32_t {
  graph = 1,
  weight_table = 2,
  strings = 3,
  weights = 4,
  input = 5,
  output = 6,
  golden = 7,
  provenance = 8,
  plan = 9,
  quantization = 10,
};
constexpr uint32_t num_section_kinds = 9;  ///< those that every file has
constexpr uint32_t last_section_kind = 10; ///< those that this version knows
constexpr uint32_t max_sections = 64;
constexpr uint32_t first_optional_section = 0x8000;

/// The section's name in messages.
const char* section_name(uint32_t kind);

struct FileHeader {
  char magic[8];
  uint32_t version;
  uint32_t byte_order; ///< model_byte_order; reads as another number where bytes are swapped
  uint64_t file_bytes;
  uint32_t num_sections;
  uint32_t crc;
  uint32_t reserved[8];
};

struct SectionEntry {
  uint32_t kind;
  uint32_t crc;
  uint64_t offset; ///< from the file's start
  uint64_t bytes;
  uint64_t reserved;
};

struct GraphSection {
  int32_t num_nodes, num_values, num_weights;
  int32_t input; ///< the value that the caller feeds
  int32_t num_outputs;
  int32_t outputs[max_outputs]; ///< unused ones are no_index
  uint32_t name;                ///< of the network
  uint32_t reserved[6];
};

struct InputSection {
  Preprocess preprocess;
  int32_t channels;
  int32_t size_multiple; ///< height and width must be multiples of it; 0: only the default size is allowed
  float fx, fy;          ///< focal lengths in pixels of the network's input that it was trained for; 0: unknown
  uint32_t reserved;
};

enum class OutputKind : int32_t {
  metric_depth = 0,   ///< metres
  relative_depth = 1, ///< larger is farther, up to an unknown scale and shift
  values = 2,         ///< anything else, e.g. class scores
};

struct OutputSection {
  OutputKind kind;
  float min_depth, max_depth; ///< metric_depth: range in metres that the network can answer; otherwise 0
  uint32_t reserved;
};

enum class GoldenInput : uint32_t { noise = 0 };

struct GoldenSection {
  uint64_t seed;
  GoldenInput input;
  uint32_t num_samples; ///< at most max_golden_samples
  uint32_t stride;
  float tolerance; ///< largest difference that is accepted, relative to the largest absolute sample
  uint32_t reserved[2];
};
constexpr uint32_t max_golden_samples = 4096;

static_assert(sizeof(FileHeader) == 64 && sizeof(SectionEntry) == 32 && sizeof(GraphSection) == 64 &&
              sizeof(WeightEntry) == 16 && sizeof(InputSection) == 64 && sizeof(OutputSection) == 16 &&
              sizeof(GoldenSection) == 32 && sizeof(Shape) == 32 && sizeof(Preprocess) == 44 &&
              sizeof(Quantization) == 8);

/// Value `i` of the seeded input, dense in [1,H,W,C]: uniform in [-2, 2), about the range of a normalised picture.
inline float golden_input(uint64_t seed, index_t i) {
  return 4.0f * Philox(seed).uniform(static_cast<uint64_t>(i)) - 2.0f;
}

/// The stride at which an output of `count` values is sampled: odd, so that samples wander through rows and channels.
inline uint32_t golden_stride(index_t count) {
  const index_t stride = (count + max_golden_samples - 1) / max_golden_samples;
  return count <= max_golden_samples ? 1 : static_cast<uint32_t>(stride | 1);
}

/// CRC-32 of the bytes, continued from an earlier part's result (0 to start).
uint32_t crc32(const void* data, size_t bytes, uint32_t crc = 0);

/// A checked file. Pointers lead into the file's memory.
struct ModelView {
  GraphView graph;
  const char* strings = nullptr;
  uint32_t name = 0;
  const uint32_t* node_names = nullptr;
  const WeightEntry* weights = nullptr;
  const unsigned char* weight_data = nullptr;
  size_t weight_bytes = 0;
  const InputSection* input = nullptr;
  const OutputSection* output = nullptr;
  const GoldenSection* golden = nullptr;
  const float* golden_samples = nullptr;
  const char* provenance = nullptr;
  size_t provenance_bytes = 0;
  const uint8_t* algorithms = nullptr; ///< of type Algorithm, one for each node
  size_t file_bytes = 0;

  const char* string(uint32_t offset) const { return strings + offset; }
  /// Weight `i` as it is stored; floats where its type is f32.
  const void* weight(int32_t i) const { return weight_data + weights[i].offset; }
  Shape default_shape() const { return {1, input->preprocess.height, input->preprocess.width, input->channels}; }
};

/// Checks everything but the graph's own rules and fills `view`. `data` is aligned to model_alignment and must not
/// change while the view is in use; bytes behind the file's end are ignored. Without `checksums` damage to weights goes
/// unnoticed, but the view is as safe to use. Unless the result is ok, section, field and value are appended to
/// `message`. Nothing is allocated. Re-entrant.
///
/// `forget` (null: none) is told of the memory from time to time while checksums pass over it, so that a mapped file
/// needs no room as a whole.
Status read_model(const void* data, size_t size, bool checksums, ModelView* view, Message* message,
                  void (*forget)(const void* data, size_t size) = nullptr);

/// Checks the graph and infers the shapes of all values (`graph.num_values` of them) for an input of that size, which
/// must obey the input section. `message` as above. Re-entrant.
Status infer_model(const ModelView& view, int32_t height, int32_t width, Shape* values, Message* message);

} // namespace leadline
