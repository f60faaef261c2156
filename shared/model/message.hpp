// One paragraph of error text in a buffer that the caller gives. No printf: it drags in locales and floating point.
#pragma once

#include "shared/core/config.hpp"

#include <string.h>

namespace leadline {

/// Appends to a zero-terminated buffer; what doesn't fit is cut off (never inside a UTF-8 character). A null buffer or
/// no bytes: nothing is written.
class Message {
public:
  Message() = default;
  Message(char* buffer, size_t bytes) : buffer_(buffer), bytes_(buffer ? bytes : 0) { clear(); }

  void clear() {
    length_ = 0;
    if (bytes_ != 0) buffer_[0] = '\0';
  }

  Message& operator<<(const char* text) {
    append(text, strlen(text));
    return *this;
  }
  /// Any integer type.
  template <class Integer>
  requires(static_cast<Integer>(0.5) == 0) Message& operator<<(Integer number) {
    // Negated as unsigned, where the smallest number has its opposite too.
    const uint64_t bits = static_cast<uint64_t>(number);
    append_number(number < 0 ? uint64_t{0} - bits : bits, number < 0);
    return *this;
  }

private:
  // Out of line: messages are written once and must not bloat the code around them.
  __attribute__((noinline)) void append_number(uint64_t magnitude, bool negative) {
    char digits[21];
    size_t first = sizeof digits;
    do {
      digits[--first] = static_cast<char>('0' + magnitude % 10);
      magnitude /= 10;
    } while (magnitude != 0);
    if (negative) digits[--first] = '-';
    append(digits + first, sizeof digits - first);
  }
  __attribute__((noinline)) void append(const char* text, size_t count) {
    if (bytes_ == 0) return;
    if (count > bytes_ - 1 - length_) {
      count = bytes_ - 1 - length_;
      while (count > 0 && (static_cast<unsigned char>(text[count]) & 0xC0) == 0x80) --count;
    }
    memcpy(buffer_ + length_, text, count);
    length_ += count;
    buffer_[length_] = '\0';
  }

  char* buffer_ = nullptr;
  size_t bytes_ = 0, length_ = 0;
};

} // namespace leadline
