// Protobuf messages, written by hand: ONNX files and TensorBoard's events need a dozen fields each.
#pragma once

#include <bit>
#include <cstdint>
#include <string>
#include <vector>

namespace leadline::trainer {

/// A message under construction (https://protobuf.dev/programming-guides/encoding): fields one after the other, each a
/// tag (number and wire type) and a value.
class ProtobufMessage {
public:
  ProtobufMessage& integer(int field, int64_t value) {
    tag(field, 0);
    varint(static_cast<uint64_t>(value));
    return *this;
  }
  ProtobufMessage& number(int field, float value) {
    tag(field, 5);
    little_endian(std::bit_cast<uint32_t>(value), 4);
    return *this;
  }
  ProtobufMessage& number(int field, double value) {
    tag(field, 1);
    little_endian(std::bit_cast<uint64_t>(value), 8);
    return *this;
  }
  /// A packed repeated field.
  ProtobufMessage& numbers(int field, const std::vector<double>& values) {
    tag(field, 2);
    varint(8 * values.size());
    for (const double value : values) little_endian(std::bit_cast<uint64_t>(value), 8);
    return *this;
  }
  ProtobufMessage& text(int field, const std::string& value) {
    tag(field, 2);
    varint(value.size());
    bytes_ += value;
    return *this;
  }
  ProtobufMessage& message(int field, const ProtobufMessage& value) { return text(field, value.bytes_); }
  /// Bytes of a tensor.
  void little_endian(uint64_t value, int count) {
    for (int i = 0; i < count; ++i) bytes_.push_back(static_cast<char>(value >> (8 * i) & 0xff));
  }
  const std::string& bytes() const { return bytes_; }

private:
  void tag(int field, int wire_type) { varint(static_cast<uint64_t>(field << 3 | wire_type)); }
  void varint(uint64_t value) {
    for (; value >= 0x80; value >>= 7) bytes_.push_back(static_cast<char>(value | 0x80));
    bytes_.push_back(static_cast<char>(value));
  }

  std::string bytes_;
};

} // namespace leadline::trainer
