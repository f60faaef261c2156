// What the opaque handles of leadline.h point to, and the helpers that the engine's files share.
#pragma once

#include <leadline/leadline.h>

#include "shared/core/exec.hpp"
#include "shared/model/memory_plan.hpp"
#include "shared/model/model_file.hpp"

#include <stddef.h>
#include <string.h>

/// One block of the allocator: this struct, then `values` and `weights`.
struct leadline_model {
  leadline::ModelView view;
  leadline_allocator allocator;
  size_t block_bytes;
  leadline::Shape* values; ///< shapes of all values at the default size
  const void** weights;    ///< where each weight begins
  /// Gives back what open_file mapped or read; null for models in the caller's memory.
  void (*release)(leadline_model* model);
  /// Lets go of the file's pages, which come back when they are read; null where there are none.
  void (*forget)(const void* file, size_t bytes);
  /// Asks the system for large pages; null where there are none.
  void (*use_large_pages)(void* memory, size_t bytes);
  void* file;
  size_t file_bytes;
};

/// At the start of the caller's memory, followed by the arrays that it points to.
struct leadline_session {
  const leadline_model* model;
  leadline_runner caller_runner;
  leadline::Runner runner; ///< calls caller_runner with the float environment set on each thread
  leadline::Preprocess preprocess;
  int32_t max_picture_height, max_picture_width;
  leadline::Shape output;
  leadline::ValuePlan* values;
  leadline::NodePlan* nodes;
  leadline::PlanSummary summary;
  leadline::ComputePrecision precision;
  uint32_t level_changes; ///< host::level_changes(), when it was planned
  const char* isa;        ///< of its kernels
  unsigned char* picture_workspace;
  size_t picture_workspace_bytes;
  unsigned char* arena;
  size_t bytes;
  float scale, shift;             ///< of the calibration; scale 0: none
  int32_t (*stop)(void* context); ///< null: nobody may
  void* stop_context;
  int64_t (*clock)(void* context); ///< null: nothing is measured
  void* clock_context;
  int64_t* node_time;
};

namespace leadline {

inline leadline_status to_c(Status status) { return static_cast<leadline_status>(status); }

/// The size that a struct of the C API had in the library's first version. Programs that were compiled then pass so
/// much, so a field that is added since must lie behind it: its specialisation stands below.
template <class Struct> constexpr size_t first_bytes = sizeof(Struct);
template <> inline constexpr size_t first_bytes<leadline_model_info> = offsetof(leadline_model_info, weight_bytes);
template <> inline constexpr size_t first_bytes<leadline_node_info> = offsetof(leadline_node_info, weight_type);

Status read_options(const void* from, const char* type, size_t least, size_t size, void* to, Message* message);

/// Copies an option struct of a program that may be newer or older than the library: what an older one doesn't know
/// keeps its default, zero; of what the library doesn't know nothing may be set. Null means all defaults.
template <class Options> Status read_options(const Options* from, const char* type, Options* to, Message* message) {
  static_assert(offsetof(Options, struct_size) == 0);
  return read_options(from, type, first_bytes<Options>, sizeof(Options), to, message);
}

/// Fills an info struct as far as the caller knows it, keeping its struct_size.
template <class Info> Status write_info(Info* to, Info info) {
  if (!to || to->struct_size < first_bytes<Info>) return Status::invalid_argument;
  info.struct_size = to->struct_size;
  memcpy(to, &info, info.struct_size < sizeof(Info) ? info.struct_size : sizeof(Info));
  return Status::ok;
}

/// The allocator to use: the one given, else malloc and free.
leadline_allocator choose_allocator(const leadline_allocator* given);

/// What leadline_model_open_memory and _file have in common; `forget` as read_model has it.
Status open_model(const void* data, size_t bytes, const leadline_open_options& options, leadline_model** model,
                  Message* message, void (*forget)(const void* file, size_t bytes) = nullptr);

} // namespace leadline
