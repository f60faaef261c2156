// libFuzzer: any bytes into a device. Opens them as a model, asks everything, and where the plan is small enough runs
// it. Whatever the bytes are, there may be statuses only: no crash, no undefined behaviour, no hang.
//
// Coverage alone doesn't get past checksums, so half of the inputs (by their last byte) get right ones first.
#include "shared/model/model_file.hpp"

#include <leadline/leadline.hpp>

#include <cstdint>
#include <cstring>
#include <vector>

namespace {

void seal(unsigned char* file, size_t size) {
  using namespace leadline;
  FileHeader header;
  if (size < sizeof header) return;
  std::memcpy(&header, file, sizeof header);
  if (header.num_sections > max_sections || sizeof header + header.num_sections * sizeof(SectionEntry) > size) return;
  for (uint32_t i = 0; i < header.num_sections; ++i) {
    unsigned char* place = file + sizeof header + i * sizeof(SectionEntry);
    SectionEntry entry;
    std::memcpy(&entry, place, sizeof entry);
    if (entry.offset > size || entry.bytes > size - entry.offset) continue;
    entry.crc = crc32(file + entry.offset, static_cast<size_t>(entry.bytes));
    std::memcpy(place, &entry, sizeof entry);
  }
  header.crc = 0;
  header.crc = crc32(file + sizeof header, header.num_sections * sizeof(SectionEntry), crc32(&header, sizeof header));
  std::memcpy(file, &header, sizeof header);
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  leadline::AlignedMemory file;
  if (size == 0 || !file.allocate(size)) return 0;
  unsigned char* bytes = static_cast<unsigned char*>(file.data());
  std::memcpy(bytes, data, size);
  if (data[size - 1] % 2 == 0) seal(bytes, size);

  leadline::Model model;
  leadline::ErrorText error;
  if (model.open_memory(bytes, size, error) != LEADLINE_OK) return 0;
  const leadline_model_info info = model.info();
  leadline_node_info node{};
  node.struct_size = sizeof node;
  for (int32_t i = 0; i < info.nodes; ++i) (void)leadline_model_get_node(model.get(), i, &node);
  for (int32_t i = 0; leadline_model_provenance_entry(model.get(), i); ++i) {
  }
  (void)model.provenance("data");

  leadline_session_options options{};
  options.struct_size = sizeof options;
  options.max_picture_width = 9;
  options.max_picture_height = 7;
  const int32_t multiple = info.size_multiple;
  for (const bool other_size : {false, true}) {
    options.height = other_size ? multiple : 0;
    options.width = other_size ? 2 * multiple : 0;
    size_t session_bytes = 0;
    if (leadline_session_bytes(model.get(), &options, &session_bytes, nullptr, 0) != LEADLINE_OK) continue;
    if (session_bytes > (size_t{1} << 22) || info.macs > 10'000'000) continue; // valid, but slow
    leadline::Session session;
    if (session.create(model, error, &options) != LEADLINE_OK) __builtin_trap(); // bytes said that it is possible
    std::vector<float> output(session.output_values());
    const uint8_t rgb[9 * 7 * 3] = {1, 2, 3};
    (void)session.run_rgb8(rgb, 9, 7, output.data(), output.size());
    (void)session.self_test();
  }
  return 0;
}
