// The library as a WebAssembly module: a few functions of numbers and addresses, which worker.js calls. One model at a
// time. Built on the public API alone.
#include "inference/demos/doubt.hpp"

#include <leadline/leadline.hpp>

#include <stdlib.h>
#include <string.h>

#define EXPORT(name) extern "C" __attribute__((export_name(#name), used)) auto name

namespace {

struct State {
  leadline::AlignedMemory file, past;
  leadline::Model model;
  leadline::Session session;
  leadline_stabiliser* stabiliser = nullptr;
  leadline_model_info info{};
  leadline_session_info size{};
  leadline::ErrorText error;
  float largest_error = 0;
};
State* state = nullptr;

/// What a status means where the library gave no sentence of its own.
int32_t finish(leadline_status status) {
  if (status != LEADLINE_OK && state->error.text[0] == '\0')
    strncpy(state->error.text, leadline_status_text(status), sizeof state->error.text - 1);
  return status;
}

leadline_picture rgba_picture(const void* rgba, int32_t width, int32_t height) {
  leadline_picture picture{};
  picture.struct_size = sizeof picture;
  picture.format = LEADLINE_RGBA8;
  picture.width = width;
  picture.height = height;
  picture.planes[0] = rgba;
  picture.strides[0] = 4 * static_cast<ptrdiff_t>(width);
  return picture;
}

leadline_status run(const leadline_picture& picture, float* depth) {
  state->error.text[0] = '\0';
  leadline_depth to{};
  to.struct_size = sizeof to;
  to.data = depth;
  to.bytes = sizeof(float) * state->session.output_values();
  return state->session.run(picture, to);
}

} // namespace

EXPORT(ll_alloc)(size_t bytes)->void* { return malloc(bytes); }
EXPORT(ll_free)(void* memory)->void { free(memory); }

/// Opens the model whose file lies at `file`, for pictures of up to `largest` pixels a side; 0 or a status.
EXPORT(ll_open)(const void* file, size_t bytes, int32_t largest)->int32_t {
  delete state;
  state = new State;
  State& s = *state;
  if (!s.file.allocate(bytes)) return finish(LEADLINE_OUT_OF_MEMORY);
  memcpy(s.file.data(), file, bytes);
  leadline_status status = s.model.open_memory(s.file.data(), bytes, s.error);
  if (status != LEADLINE_OK) return finish(status);
  s.info = s.model.info();
  if (s.info.output_kind == LEADLINE_VALUES || s.info.input_channels != 3) return finish(LEADLINE_UNSUPPORTED);
  leadline_session_options options{};
  options.struct_size = sizeof options;
  options.max_picture_width = options.max_picture_height = largest;
  status = s.session.create(s.model, s.error, &options);
  if (status != LEADLINE_OK) return finish(status);
  s.size = s.session.info();
  const size_t past = leadline_stabiliser_bytes(s.size.output_width, s.size.output_height);
  if (!s.past.allocate(past)) return finish(LEADLINE_OUT_OF_MEMORY);
  return finish(
      leadline_stabiliser_create(s.size.output_width, s.size.output_height, s.past.data(), past, &s.stabiliser));
}

EXPORT(ll_error)()->const char* { return state ? state->error.text : "no model is open"; }
EXPORT(ll_name)()->const char* { return state->info.name; }
EXPORT(ll_provenance)(int32_t index)->const char* { return leadline_model_provenance_entry(state->model.get(), index); }
EXPORT(ll_metric)()->int32_t { return state->info.output_kind == LEADLINE_METRIC_DEPTH; }
EXPORT(ll_width)()->int32_t { return state->size.output_width; }
EXPORT(ll_height)()->int32_t { return state->size.output_height; }
EXPORT(ll_crops)()->int32_t { return state->info.crops_centre; }
/// Of the training pictures, in pixels of the network's input; 0: not known.
EXPORT(ll_focal)()->float { return state->info.focal_x; }
EXPORT(ll_megabytes)()->float { return static_cast<float>(state->size.bytes) / 1e6f; }
EXPORT(ll_megamacs)()->float { return static_cast<float>(state->info.macs) / 1e6f; }

/// A picture of R, G, B, A bytes to depth of ll_height x ll_width floats; `video` 1: the next frame of a video.
EXPORT(ll_run)(const void* rgba, int32_t width, int32_t height, int32_t video, float* depth)->int32_t {
  State& s = *state;
  const leadline_status status = run(rgba_picture(rgba, width, height), depth);
  if (status != LEADLINE_OK) return finish(status);
  if (!video) leadline_stabiliser_reset(s.stabiliser);
  return finish(leadline_stabiliser_run(s.stabiliser, depth, depth, nullptr));
}

/// Doubt (doubt.hpp) about the `depth` that ll_run gave for a picture, from two more runs; below 0: something went
/// wrong. `apart` receives where the doubt is, `room` has place for two depths.
EXPORT(ll_doubt)
(const void* rgba, int32_t width, int32_t height, const float* depth, float* apart, float* room)->float {
  const leadline_picture picture = rgba_picture(rgba, width, height);
  float* const turned = room + state->session.output_values();
  if (finish(run(leadline::demo::mirrored_view(picture), room)) != LEADLINE_OK ||
      finish(run(leadline::demo::upside_down_view(picture), turned)) != LEADLINE_OK)
    return -1;
  return leadline::demo::picture_doubt(depth, room, turned, state->size.output_height, state->size.output_width, apart);
}

/// 0: this browser's answer is the one that the model's file holds.
EXPORT(ll_self_test)()->int32_t {
  state->error.text[0] = '\0';
  return finish(state->session.self_test(&state->largest_error));
}
EXPORT(ll_self_test_error)()->float { return state->largest_error; }
