// C++17 over leadline.h: the same functions with owners that clean up. Header only; no exceptions: every operation
// returns leadline_status, as in C. Objects are moved, not copied. Thread safety is that of leadline.h.
//
//     leadline::Model model;
//     leadline::Session session;
//     leadline::ErrorText error;
//     if (model.open_file("model.lead", error) != LEADLINE_OK || session.create(model, error) != LEADLINE_OK)
//       return std::fprintf(stderr, "%s\n", error.text), 1;
//     std::vector<float> depth(session.output_values());
//     session.run_rgb8(rgb, width, height, depth.data(), depth.size());
#pragma once

#include <leadline/leadline.h>

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <utility>

namespace leadline {

/// Room for an error paragraph.
struct ErrorText {
  char text[512] = "";
};

/// Owns aligned memory. Plain malloc, aligned by hand, so that it is the same on every system.
class AlignedMemory {
public:
  AlignedMemory() = default;
  AlignedMemory(AlignedMemory&& other) noexcept { swap(other); }
  AlignedMemory& operator=(AlignedMemory&& other) noexcept {
    swap(other);
    return *this;
  }
  AlignedMemory(const AlignedMemory&) = delete;
  AlignedMemory& operator=(const AlignedMemory&) = delete;
  ~AlignedMemory() { std::free(block_); }

  /// Replaces what is owned; false and nothing owned when memory is short.
  bool allocate(std::size_t bytes) {
    std::free(block_);
    block_ = bytes <= SIZE_MAX - LEADLINE_ALIGNMENT ? std::malloc(bytes + LEADLINE_ALIGNMENT) : nullptr;
    bytes_ = block_ ? bytes : 0;
    return block_ != nullptr;
  }
  void* data() const {
    const std::uintptr_t address = reinterpret_cast<std::uintptr_t>(block_) + LEADLINE_ALIGNMENT - 1;
    return block_ ? reinterpret_cast<void*>(address / LEADLINE_ALIGNMENT * LEADLINE_ALIGNMENT) : nullptr;
  }
  std::size_t bytes() const { return bytes_; }

private:
  void swap(AlignedMemory& other) noexcept {
    std::swap(block_, other.block_);
    std::swap(bytes_, other.bytes_);
  }
  void* block_ = nullptr;
  std::size_t bytes_ = 0;
};

/// Owns a leadline_model. Must outlive the sessions made from it.
class Model {
public:
  Model() = default;
  Model(Model&& other) noexcept : model_(std::exchange(other.model_, nullptr)) {}
  Model& operator=(Model&& other) noexcept {
    std::swap(model_, other.model_);
    return *this;
  }
  Model(const Model&) = delete;
  Model& operator=(const Model&) = delete;
  ~Model() { leadline_model_close(model_); }

  leadline_status open_file(const char* path, ErrorText& error, const leadline_open_options* options = nullptr) {
    close();
    return leadline_model_open_file(path, options, &model_, error.text, sizeof error.text);
  }
  /// `data` (aligned to 64 bytes) stays the caller's and must outlive the model.
  leadline_status open_memory(const void* data, std::size_t bytes, ErrorText& error,
                              const leadline_open_options* options = nullptr) {
    close();
    return leadline_model_open_memory(data, bytes, options, &model_, error.text, sizeof error.text);
  }
  void close() { leadline_model_close(std::exchange(model_, nullptr)); }

  explicit operator bool() const { return model_ != nullptr; }
  const leadline_model* get() const { return model_; }
  /// All zero for a model that isn't open.
  leadline_model_info info() const {
    leadline_model_info info{};
    info.struct_size = sizeof info;
    if (leadline_model_get_info(model_, &info) != LEADLINE_OK) info = leadline_model_info{};
    return info;
  }
  /// Null where there is no such key.
  const char* provenance(const char* key) const { return leadline_model_provenance(model_, key); }

private:
  leadline_model* model_ = nullptr;
};

/// Owns threads for sessions, which must not outlive it.
class Threads {
public:
  Threads() = default;
  Threads(Threads&& other) noexcept : memory_(std::move(other.memory_)), pool_(std::exchange(other.pool_, nullptr)) {}
  Threads& operator=(Threads&& other) noexcept {
    std::swap(memory_, other.memory_);
    std::swap(pool_, other.pool_);
    return *this;
  }
  Threads(const Threads&) = delete;
  Threads& operator=(const Threads&) = delete;
  ~Threads() { leadline_thread_pool_destroy(pool_); }

  /// `threads` counts the caller's.
  leadline_status create(std::int32_t threads) {
    leadline_thread_pool_destroy(std::exchange(pool_, nullptr));
    const std::size_t bytes = leadline_thread_pool_bytes(threads);
    if (bytes == 0) return LEADLINE_INVALID_ARGUMENT;
    if (!memory_.allocate(bytes)) return LEADLINE_OUT_OF_MEMORY;
    return leadline_thread_pool_create(threads, memory_.data(), memory_.bytes(), &pool_);
  }
  /// For leadline_session_options; the pool must have been created.
  leadline_runner runner() const { return leadline_thread_pool_runner(pool_); }

private:
  AlignedMemory memory_;
  leadline_thread_pool* pool_ = nullptr;
};

/// Owns a session and its memory.
class Session {
public:
  leadline_status create(const Model& model, ErrorText& error, const leadline_session_options* options = nullptr) {
    session_ = nullptr;
    std::size_t bytes = 0;
    const leadline_status status = leadline_session_bytes(model.get(), options, &bytes, error.text, sizeof error.text);
    if (status != LEADLINE_OK) return status;
    if (!memory_.allocate(bytes)) {
      std::snprintf(error.text, sizeof error.text, "the system gave no %zu bytes for a session", bytes);
      return LEADLINE_OUT_OF_MEMORY;
    }
    return leadline_session_create(model.get(), options, memory_.data(), bytes, &session_, error.text,
                                   sizeof error.text);
  }

  Session() = default;
  Session(Session&& other) noexcept
      : memory_(std::move(other.memory_)), session_(std::exchange(other.session_, nullptr)) {}
  Session& operator=(Session&& other) noexcept {
    std::swap(memory_, other.memory_);
    std::swap(session_, other.session_);
    return *this;
  }

  explicit operator bool() const { return session_ != nullptr; }
  leadline_session* get() const { return session_; }
  /// All zero for a session that wasn't created.
  leadline_session_info info() const {
    leadline_session_info info{};
    info.struct_size = sizeof info;
    if (leadline_session_get_info(session_, &info) != LEADLINE_OK) info = leadline_session_info{};
    return info;
  }
  /// Floats that a run writes.
  std::size_t output_values() const {
    const leadline_session_info i = info();
    return static_cast<std::size_t>(i.output_height) * static_cast<std::size_t>(i.output_width) *
           static_cast<std::size_t>(i.output_channels);
  }

  /// Packed RGB, `height` rows of 3 * `width` bytes.
  leadline_status run_rgb8(const std::uint8_t* rgb, std::int32_t width, std::int32_t height, float* depth,
                           std::size_t depth_values) {
    return leadline_run_rgb8(session_, rgb, width, height, 0, depth, depth_values);
  }
  /// Any camera's picture to depth in any form; set the structs' struct_size.
  leadline_status run(const leadline_picture& picture, const leadline_depth& depth) {
    return leadline_run(session_, &picture, &depth);
  }
  leadline_status run_raw(const float* input, std::size_t input_values, float* output, std::size_t output_values) {
    return leadline_run_raw(session_, input, input_values, output, output_values);
  }
  leadline_status self_test(float* largest_error = nullptr) { return leadline_self_test(session_, largest_error); }

private:
  AlignedMemory memory_;
  leadline_session* session_ = nullptr;
};

} // namespace leadline
