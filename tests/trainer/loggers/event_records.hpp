// Reads event files back, by the format's description: an own reader beside the writer's.
#pragma once

#include "trainer/loggers/event_file.hpp"

#include <cstdint>
#include <cstring>
#include <fstream>
#include <iterator>
#include <map>
#include <string>
#include <vector>

namespace leadline::testing {

/// A protobuf message's fields: numbers as they are, texts and messages as bytes.
struct Field {
  int number = 0, wire_type = 0;
  uint64_t integer = 0;
  std::string bytes;
  double real() const {
    double value = 0;
    float single = 0;
    if (wire_type == 1) std::memcpy(&value, &integer, 8);
    if (wire_type == 5) std::memcpy(&single, &integer, 4);
    return wire_type == 1 ? value : static_cast<double>(single);
  }
};

inline std::vector<Field> fields_of(const std::string& message) {
  std::vector<Field> fields;
  size_t at = 0;
  const auto varint = [&] {
    uint64_t value = 0;
    int shift = 0;
    for (uint8_t byte = 0x80; byte & 0x80; shift += 7) {
      byte = static_cast<uint8_t>(message.at(at++));
      value |= uint64_t{byte & 0x7fu} << shift;
    }
    return value;
  };
  while (at < message.size()) {
    const uint64_t tag = varint();
    Field field{static_cast<int>(tag >> 3), static_cast<int>(tag & 7), 0, ""};
    if (field.wire_type == 0) {
      field.integer = varint();
    } else if (field.wire_type == 2) {
      const uint64_t size = varint();
      field.bytes = message.substr(at, size);
      at += size;
    } else {
      const size_t size = field.wire_type == 1 ? 8 : 4;
      std::memcpy(&field.integer, message.substr(at, size).data(), size);
      at += size;
    }
    fields.push_back(field);
  }
  return fields;
}

inline const Field* find(const std::vector<Field>& fields, int number) {
  for (const Field& field : fields)
    if (field.number == number) return &field;
  return nullptr;
}

/// The records' bytes; `whole` says whether the file ends after the last of them and every checksum is right.
inline std::vector<std::string> records_of(const std::string& file, bool* whole) {
  std::ifstream in(file, std::ios::binary);
  const std::string bytes(std::istreambuf_iterator<char>(in), {});
  std::vector<std::string> records;
  size_t at = 0;
  *whole = true;
  while (at < bytes.size()) {
    uint64_t size = 0;
    uint32_t sum = 0;
    if (bytes.size() - at < 16) return *whole = false, records;
    std::memcpy(&size, &bytes[at], 8);
    std::memcpy(&sum, &bytes[at + 8], 4);
    if (sum != trainer::masked_crc32c(&bytes[at], 8) || size > bytes.size() - at - 16) return *whole = false, records;
    std::memcpy(&sum, &bytes[at + 12 + size], 4);
    if (sum != trainer::masked_crc32c(&bytes[at + 12], size)) return *whole = false, records;
    records.push_back(bytes.substr(at + 12, size));
    at += 16 + size;
  }
  return records;
}

/// Steps and values of all scalars, by tag.
inline std::map<std::string, std::vector<std::pair<uint64_t, double>>> scalars_of(const std::string& file) {
  std::map<std::string, std::vector<std::pair<uint64_t, double>>> scalars;
  bool whole = false;
  for (const std::string& record : records_of(file, &whole)) {
    const std::vector<Field> event = fields_of(record);
    const Field *step = find(event, 2), *summary = find(event, 5);
    if (!summary) continue;
    for (const Field& value : fields_of(summary->bytes)) {
      const std::vector<Field> parts = fields_of(value.bytes);
      if (const Field* number = find(parts, 2))
        scalars[find(parts, 1)->bytes].push_back({step ? step->integer : 0, number->real()});
    }
  }
  return scalars;
}

} // namespace leadline::testing
