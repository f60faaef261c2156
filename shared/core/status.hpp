// Status codes of everything that may not throw: layer shape rules, planner, model file, edge engine.
#pragma once

#include "shared/core/config.hpp"

namespace leadline {

/// Result of a call. Values are part of the C ABI (leadline.h mirrors them): never renumber, only append.
enum class [[nodiscard]] Status : int32_t{
    ok = 0,
    invalid_argument = 1,  ///< a null or misaligned pointer, a negative size, an option out of range
    invalid_shape = 2,     ///< tensor shapes don't fit the layer's rule, or a picture's size isn't one that is taken
    invalid_model = 3,     ///< the model file breaks its own specification
    checksum_mismatch = 4, ///< a section's CRC differs: the file was damaged
    version_mismatch = 5,  ///< the file was written for another format version
    unsupported = 6,       ///< valid, but this build or target can't do it
    out_of_memory = 7,     ///< the memory or buffer given is too small, or an allocator gave none
    overflow = 8,          ///< a size doesn't fit this target's address space
    io_error = 9,          ///< a file couldn't be opened or read
    self_test_failed = 10, ///< the golden sample's output differs by more than its tolerance
    cancelled = 11,        ///< the caller's callback asked to stop
};

/// One sentence for each status, static storage, never null.
__attribute__((noinline)) inline const char* status_text(Status status) {
  switch (status) {
  case Status::ok: return "success";
  case Status::invalid_argument: return "an argument is null, misaligned or out of its documented range";
  case Status::invalid_shape: return "a shape or a picture's size isn't one that is taken here";
  case Status::invalid_model: return "the model file breaks its specification";
  case Status::checksum_mismatch: return "a section of the model file is damaged: its checksum differs";
  case Status::version_mismatch: return "the model file was written for another format version";
  case Status::unsupported: return "this model or this build of the library can't do what was asked";
  case Status::out_of_memory: return "the memory or the buffer given is too small";
  case Status::overflow: return "a size is too large for this machine's address space";
  case Status::io_error: return "the file can't be opened or read";
  case Status::self_test_failed: return "the golden sample's output differs by more than its tolerance";
  case Status::cancelled: return "the caller asked to stop";
  }
  return "unknown status";
}

/// Returns early with any status but ok.
#define LEADLINE_TRY(expression)                                                                                       \
  do {                                                                                                                 \
    if (const ::leadline::Status leadline_try_status = (expression); leadline_try_status != ::leadline::Status::ok)    \
      return leadline_try_status;                                                                                      \
  } while (false)

} // namespace leadline
