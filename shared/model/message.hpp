// One paragraph of error text in a buffer that the caller gives. No printf: it drags in locales and floating point.
#pragma once

#include "shared/core/config.hpp"

#include <stdarg.h>
#include <string.h>

namespace leadline {

namespace detail {

/// What a part of a message is: 's' text, 'i' a signed number, 'u' an unsigned one.
template <class Part> constexpr char kind_of() {
  if constexpr (requires(Part p) { static_cast<const char*>(p); })
    return 's';
  else
    return static_cast<Part>(-1) < Part{} ? 'i' : 'u';
}

template <class T> struct Same { using type = T; };

/// Text with a place for each part: %s text, %i a signed number, %u an unsigned one. Where text and parts disagree it
/// doesn't compile.
template <class... Parts> struct CheckedFormat {
  const char* text;
  consteval CheckedFormat(const char* given) : text(given) {
    const char kinds[] = {kind_of<Parts>()..., '\0'};
    const char* kind = kinds;
    for (const char* c = given; *c != '\0'; ++c)
      if (*c == '%' && *++c != *kind++) text_and_parts_disagree();
    if (*kind != '\0') text_and_parts_disagree();
  }
  static void text_and_parts_disagree(); // not constexpr: calling it is the error
};

} // namespace detail

/// Of parts whose types are known from elsewhere.
template <class... Parts> using Format = typename detail::Same<detail::CheckedFormat<Parts...>>::type;

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

  /// A whole sentence at once: code with many of them is much smaller so than with a call for each part.
  template <class... Parts> Message& format(Format<Parts...> text, Parts... parts) {
    append_list(text.text, part(parts)...);
    return *this;
  }
  /// The same with the parts as `part` gives them.
  __attribute__((noinline)) void list(const char* text, va_list parts) {
    for (const char* rest; *text != '\0'; text = rest) {
      for (rest = text; *rest != '\0' && *rest != '%';) ++rest;
      append(text, static_cast<size_t>(rest - text));
      if (*rest == '\0') return;
      if (rest[1] == 's')
        *this << va_arg(parts, const char*);
      else if (rest[1] == 'i')
        *this << va_arg(parts, int64_t);
      else
        *this << va_arg(parts, uint64_t);
      rest += 2;
    }
  }
  static const char* part(const char* text) { return text; }
  template <class Integer>
  requires(static_cast<Integer>(0.5) == 0) static auto part(Integer number) {
    if constexpr (detail::kind_of<Integer>() == 'i')
      return static_cast<int64_t>(number);
    else
      return static_cast<uint64_t>(number);
  }

private:
  // Out of line: messages are written once and must not bloat the code around them.
  __attribute__((noinline, cold)) void append_list(const char* text, ...) {
    va_list parts;
    va_start(parts, text);
    list(text, parts);
    va_end(parts);
  }
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
