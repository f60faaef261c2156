// Sessions: the plan and the arena in the caller's memory, and what runs in them.
#include "inference/src/engine.hpp"
#include "inference/src/float_environment.hpp"
#include "inference/src/picture.hpp"
#include "shared/model/run_plan.hpp"

#include <math.h>

namespace leadline {
namespace {

/// Where things lie in the caller's memory, in bytes from its start.
struct SessionLayout {
  size_t values, nodes, scratch, picture, arena, total;
};

/// What a session's size depends on, checked.
struct SessionSize {
  int32_t height, width, max_picture_height, max_picture_width;
  size_t picture_bytes; ///< of scratch for preprocessing
  int32_t threads;
  size_t memory_limit;
  ComputePrecision precision;
  Algorithm algorithm;
};

/// "winograd4" -> Algorithm::winograd4; null: automatic.
bool find_algorithm(const char* name, Algorithm* algorithm) {
  *algorithm = automatic;
  if (!name) return true;
  for (int i = 0; i < num_algorithms; ++i)
    if (strcmp(name, algorithm_name(static_cast<Algorithm>(i))) == 0) {
      *algorithm = static_cast<Algorithm>(i);
      return true;
    }
  return false;
}

/// What a selective build may have left out.
Status check_build(const SessionSize& size, Message* message) {
  if (!host::isa_supported()) {
    *message
        << "this build of the library has kernels for CPUs that this one isn't; build it with another LEADLINE_ISA";
    return Status::unsupported;
  }
  const Algorithm algorithm = size.algorithm;
  if (algorithm == automatic || algorithm == Algorithm::portable) return Status::ok;
  const bool built = host::is_winograd(algorithm) ? built_winograd
                     : host::is_bf16(algorithm)   ? built_bf16
                                                  : built_host_kernels;
  if (built) return Status::ok;
  message->format("algorithm is \"%s\", which this build of the library leaves out; build it with another "
                  "LEADLINE_ALGORITHMS or LEADLINE_ISA",
                  algorithm_name(algorithm));
  return Status::unsupported;
}

constexpr int32_t default_max_picture = 4096;

Status choose_size(const leadline_model& model, const leadline_session_options& options, SessionSize* size,
                   Message* message) {
  const InputSection& input = *model.view.input;
  const bool use_default = options.height == 0 && options.width == 0;
  size->height = use_default ? input.preprocess.height : options.height;
  size->width = use_default ? input.preprocess.width : options.width;
  size->max_picture_height = options.max_picture_height == 0 ? default_max_picture : options.max_picture_height;
  size->max_picture_width = options.max_picture_width == 0 ? default_max_picture : options.max_picture_width;
  size->picture_bytes = 0;
  if (!detail::valid_size(size->max_picture_height, size->max_picture_width)) {
    message->format("max_picture_height and max_picture_width are %i and %i, expected 0 to %i",
                    options.max_picture_height, options.max_picture_width, max_image_side);
    return Status::invalid_argument;
  }
  if (options.runner && (!options.runner->run || options.runner->threads < 1)) {
    message->format("the runner has no function or %i threads", options.runner->threads);
    return Status::invalid_argument;
  }
  size->threads = options.runner ? options.runner->threads : 1;
  size->memory_limit = options.memory_limit;
  if (options.precision < LEADLINE_PRECISION_F32 || options.precision > LEADLINE_PRECISION_BF16) {
    message->format("precision is %i, expected 0 (f32) or 1 (bf16)", static_cast<int32_t>(options.precision));
    return Status::invalid_argument;
  }
  size->precision = static_cast<ComputePrecision>(options.precision);
  if (!find_algorithm(options.algorithm, &size->algorithm)) {
    message->format("algorithm is \"%s\", expected", options.algorithm);
    for (int i = 0; i < num_algorithms; ++i)
      message->format("%s%s",
                      i == 0                   ? " "
                      : i + 1 < num_algorithms ? ", "
                                               : " or ",
                      algorithm_name(static_cast<Algorithm>(i)));
    return Status::invalid_argument;
  }
  LEADLINE_TRY(check_build(*size, message));
  if (input.channels == 3) { // 0 for a size that the plan will refuse
    // Without a crop the scratch is largest: no window has more rows or columns than the picture.
    Preprocess preprocess = input.preprocess;
    preprocess.height = size->height;
    preprocess.width = size->width;
    preprocess.crop = CropMode::none;
    const auto bytes = [&](int32_t high, int32_t wide) {
      return preprocess_workspace_bytes<PictureRows>(preprocess, high, wide);
    };
    const size_t upright = bytes(size->max_picture_height, size->max_picture_width);
    const size_t turned = bytes(size->max_picture_width, size->max_picture_height);
    size->picture_bytes = upright > turned ? upright : turned;
  }
  return Status::ok;
}

/// Everything but the arena; counts are bounded by max_nodes, so nothing overflows.
SessionLayout fixed_layout(const leadline_model& model, const SessionSize& size) {
  const size_t num_values = static_cast<size_t>(model.view.graph.num_values);
  const size_t num_nodes = static_cast<size_t>(model.view.graph.num_nodes);
  SessionLayout layout{};
  layout.values = align_up(sizeof(leadline_session));
  layout.nodes = layout.values + align_up(num_values * sizeof(ValuePlan));
  layout.scratch = layout.nodes + align_up(num_nodes * sizeof(NodePlan));
  layout.picture = layout.scratch + align_up((num_values + num_nodes) * sizeof(Interval));
  layout.arena = layout.picture + align_up(size.picture_bytes);
  layout.total = layout.arena;
  return layout;
}

/// What a program's options come to, checked.
__attribute__((noinline)) Status read_session_options(const leadline_model& model,
                                                      const leadline_session_options* options,
                                                      leadline_session_options* chosen, SessionSize* size,
                                                      SessionLayout* layout, Message* message) {
  LEADLINE_TRY(read_options(options, "leadline_session_options", chosen, message));
  LEADLINE_TRY(choose_size(model, *chosen, size, message));
  *layout = fixed_layout(model, *size);
  return Status::ok;
}

/// Plans into memory that holds at least `fixed_layout` bytes, and adds the arena to the layout.
Status plan(const leadline_model& model, const SessionSize& size, unsigned char* memory, SessionLayout* layout,
            PlanSummary* summary, Message* message) {
  const FloatEnvironment environment; // costs are compared: rounding must not decide
  const ModelView& view = model.view;
  ValuePlan* values = reinterpret_cast<ValuePlan*>(memory + layout->values);
  static_assert(sizeof(ValuePlan) >= sizeof(Shape) && alignof(ValuePlan) >= alignof(Shape));
  LEADLINE_TRY(
      infer_model(view, size.height, size.width, reinterpret_cast<Shape*>(values), message)); // for its message

  const Shape input{1, size.height, size.width, view.input->channels};
  GraphError error;
  PlanOptions options;
  options.threads = size.threads;
  options.memory_limit = size.memory_limit;
  options.fuse = true;
  options.precision = size.precision;
  options.every = size.algorithm;
  options.algorithms = reinterpret_cast<const Algorithm*>(view.algorithms);
  const Status status =
      plan_inference(view.graph, input, options, values, reinterpret_cast<NodePlan*>(memory + layout->nodes),
                     reinterpret_cast<Interval*>(memory + layout->scratch), summary, &error);
  if (status != Status::ok || summary->arena_bytes > SIZE_MAX - layout->arena) {
    message->format("an input of %ix%i needs more memory than this machine can address; use a smaller one", size.height,
                    size.width);
    return status == Status::ok ? Status::overflow : status;
  }
  layout->total = layout->arena + summary->arena_bytes;
  return Status::ok;
}

/// What the runner's threads call: the task, under our float environment. Threads inherit the one of whoever started
/// them, which could flush subnormals to zero.
struct GuardedTask {
  void (*task)(void* argument, index_t i);
  void* argument;

  static void call(void* self, index_t i) {
    const FloatEnvironment environment;
    const GuardedTask& guarded = *static_cast<GuardedTask*>(self);
    guarded.task(guarded.argument, i);
  }
};

void run_guarded(void* context, index_t tasks, void (*task)(void*, index_t), void* argument) {
  const leadline_runner& runner = static_cast<leadline_session*>(context)->caller_runner;
  GuardedTask guarded{task, argument};
  runner.run(runner.context, tasks, &GuardedTask::call, &guarded);
}

Tensor<float> input_of(const leadline_session& session) {
  return value_tensor<float>(session.values, session.model->view.graph.input, session.arena);
}

InferenceExec exec_of(const leadline_session& session) {
  return InferenceExec(session.caller_runner.run ? &session.runner : nullptr);
}

/// Runs the graph on the input value; `output` is then its first output, dense, in the arena. The caller holds a
/// FloatEnvironment.
Status run_graph(const leadline_session& session, Tensor<float>* output) {
  const GraphView& graph = session.model->view.graph;
  const leadline_model& model = *session.model;
  if (session.level_changes != host::level_changes()) return Status::invalid_argument; // planned for other kernels
  const bool done = for_each_run<float>(graph, session.values, session.nodes, session.arena, [&](int32_t i) {
    if (session.stop && session.stop(session.stop_context) != 0) return false;
    const int64_t start = session.clock ? session.clock(session.clock_context) : 0;
    run_node<float>(exec_of(session), graph, i, session.values, session.nodes, session.summary, model.weights,
                    session.arena);
    if (session.clock) session.node_time[i] += session.clock(session.clock_context) - start;
    // Where memory is short, weights that are packed in every run leave nothing behind.
    const bool last = session.nodes[i].wanted == session.values[graph.nodes[i].output].shape.h;
    if (session.nodes[i].in_run && model.forget && (last || !session.nodes[i].in_strips()))
      model.forget(model.file, model.file_bytes);
    return true;
  });
  if (!done) return Status::cancelled;
  *output = value_tensor<float>(session.values, graph.outputs[0], session.arena);
  return Status::ok;
}

/// The network's answer as the caller wants it: in which unit, how large, where.
class DepthWriter {
public:
  /// Depth becomes scale * depth + shift; `window` is the part of the upright picture that the network saw.
  DepthWriter(const leadline_depth& to, const Tensor<float>& depth, float scale, float shift, const CropWindow& window,
              int height, int width)
      : to_(to), depth_(depth), scale_(scale), shift_(shift), window_(window), height_(height), width_(width) {}

  static size_t value_bytes(int32_t format) { return format == LEADLINE_DEPTH_MILLIMETRES_U16 ? 2 : 4; }

  void write() const {
    const ptrdiff_t dense = static_cast<ptrdiff_t>(value_bytes(to_.format)) * width_;
    for (int y = 0; y < height_; ++y) {
      unsigned char* row = static_cast<unsigned char*>(to_.data) + y * (to_.row_stride != 0 ? to_.row_stride : dense);
      if (to_.picture_size != 0)
        enlarge_row(y, row);
      else
        for (int x = 0; x < width_; ++x) put(row, x, at(y, x));
    }
  }

private:
  float at(index_t y, index_t x) const { return depth_.data[y * depth_.shape.w + x]; }

  /// Where a pixel of the enlarged map lies between two of the network's: linear, pixel centres at half, edges held.
  /// Whole numbers, (i + 1/2) src / dst - 1/2 over 2 dst, stepped from pixel to pixel without a division.
  class Tap {
  public:
    static Tap at(int i, index_t dst, index_t src) {
      Tap tap(dst, src);
      tap.twice_ += tap.step_ * i;
      if (tap.twice_ > 0) {
        tap.low_ = tap.twice_ / tap.unit_;
        tap.twice_ %= tap.unit_;
      }
      return tap;
    }
    void next() {
      for (twice_ += step_; twice_ >= unit_; twice_ -= unit_) ++low_;
    }
    index_t low() const { return low_ < src_ - 1 ? low_ : src_ - 1; }
    index_t high() const { return low_ < src_ - 1 ? low_ + 1 : src_ - 1; }
    float part() const {
      return twice_ <= 0 || low_ >= src_ - 1 ? 0 : static_cast<float>(twice_) / static_cast<float>(unit_);
    }

  private:
    Tap(index_t dst, index_t src) : src_(src), unit_(2 * dst), step_(2 * src), twice_(src - dst) {}

    index_t src_, unit_, step_;
    index_t twice_; ///< less `low_` units; below 0 left of the first pixel's centre
    index_t low_ = 0;
  };

  /// Row `y` of the picture; 0 outside what the network saw.
  void enlarge_row(int y, unsigned char* row) const {
    const bool seen = y >= window_.y && y < window_.y + window_.height;
    const int left = seen ? window_.x : width_, right = seen ? window_.x + window_.width : width_;
    for (int x = 0; x < left; ++x) put(row, x, 0);
    if (!seen) return;
    const Tap up = Tap::at(y - window_.y, window_.height, depth_.shape.h);
    const index_t low = up.low(), high = up.high();
    const float down = up.part();
    Tap column = Tap::at(0, window_.width, depth_.shape.w);
    for (int x = left; x < right; ++x, column.next()) {
      const float a = at(low, column.low()), b = at(low, column.high());
      const float c = at(high, column.low()), d = at(high, column.high());
      const float above = a + column.part() * (b - a), below = c + column.part() * (d - c);
      put(row, x, above + down * (below - above));
    }
    for (int x = right; x < width_; ++x) put(row, x, 0);
  }

  void put(unsigned char* row, int x, float value) const {
    value *= scale_;
    if (shift_ != 0) value = value + shift_ > 0 ? value + shift_ : 0;
    if (to_.format == LEADLINE_DEPTH_MILLIMETRES_U16) {
      const float millimetres = value * 1000 + 0.5f; // NaN compares false: none
      const uint16_t stored = millimetres >= 1 && millimetres < 65536 ? static_cast<uint16_t>(millimetres) : 0;
      memcpy(row + 2 * ptrdiff_t{x}, &stored, 2);
      return;
    }
    if (to_.format == LEADLINE_DEPTH_INVERSE_F32) value = value > 0 ? 1 / value : 0;
    memcpy(row + 4 * ptrdiff_t{x}, &value, 4);
  }

  leadline_depth to_;
  Tensor<float> depth_;
  float scale_, shift_;
  CropWindow window_;
  int height_, width_;
};

/// What a run of node `i` reads and writes at the least.
int64_t bytes_moved(const GraphView& graph, int32_t i, const ValuePlan* values, const NodePlan& plan) {
  if (plan.skip) return 0;
  const Node& node = graph.nodes[i];
  const auto bytes_of = [&](int32_t v) {
    if (values[values[v].root].last < 0) return int64_t{0}; // between fused nodes
    return values[v].shape.count() * static_cast<int64_t>(graph.element_bytes(v, sizeof(float)));
  };
  const bool concat = node.kind == layer_kind<Concat>;
  int64_t moved = concat ? 0 : bytes_of(node.output);
  for (int s = 0; s < node.num_inputs; ++s) {
    const int32_t v = node.inputs[s];
    if (!concat)
      moved += bytes_of(v);
    else if (values[v].root != values[node.output].root) // else it is where it belongs
      moved += 2 * bytes_of(v);
  }
  for (int w = 0; w < max_weights; ++w) // the first in the kernel's own form, if there is one
    if (node.weights[w] != no_index && (w > 0 || plan.prepared_bytes == 0))
      moved += graph.weight_shapes[node.weights[w]].count() * int64_t{sizeof(float)};
  return moved + static_cast<int64_t>(plan.prepared_bytes);
}

void copy_out(const Tensor<float>& output, float* to) {
  memcpy(to, output.data, static_cast<size_t>(output.shape.count()) * sizeof(float));
}

/// self_test_failed when the seeded input's output differs too much (or is NaN).
Status check_golden(const leadline_session& session, float* largest_error) {
  const FloatEnvironment environment;
  const GoldenSection& golden = *session.model->view.golden;
  const float* expected = session.model->view.golden_samples;
  const Tensor<float> input = input_of(session);
  for (index_t i = 0; i < input.shape.count(); ++i) input.data[i] = golden_input(golden.seed, i);
  Tensor<float> output;
  LEADLINE_TRY(run_graph(session, &output));

  float scale = 0;
  for (uint32_t i = 0; i < golden.num_samples; ++i) {
    const float size = expected[i] < 0 ? -expected[i] : expected[i];
    if (size > scale) scale = size;
  }
  if (scale == 0) scale = 1;
  float largest = 0;
  bool finite = true;
  for (uint32_t i = 0; i < golden.num_samples; ++i) {
    const float difference = output.data[index_t{i} * golden.stride] - expected[i];
    const float error = (difference < 0 ? -difference : difference) / scale;
    finite = finite && math::isfinite(error);
    if (error > largest) largest = error;
  }
  if (!finite) largest = HUGE_VALF;
  if (largest_error) *largest_error = largest;
  // Products of values rounded to 8 bits differ by more, and a network adds up such differences.
  const float tolerance =
      session.precision == ComputePrecision::bf16 && golden.tolerance < 0.03f ? 0.03f : golden.tolerance;
  return finite && largest <= tolerance ? Status::ok : Status::self_test_failed;
}

} // namespace
} // namespace leadline

using namespace leadline;

leadline_status leadline_session_bytes(const leadline_model* model, const leadline_session_options* options,
                                       size_t* bytes, char* error, size_t error_bytes) {
  Message message(error, error_bytes);
  if (!model || !bytes) {
    message.format("%s is null", model ? "bytes" : "model");
    return LEADLINE_INVALID_ARGUMENT;
  }
  leadline_session_options chosen;
  SessionSize size;
  SessionLayout layout;
  Status status = read_session_options(*model, options, &chosen, &size, &layout, &message);
  if (status != Status::ok) return to_c(status);

  const size_t planning = layout.picture; // everything that planning writes lies before it
  unsigned char* memory =
      static_cast<unsigned char*>(model->allocator.alloc(model->allocator.context, planning, LEADLINE_ALIGNMENT));
  if (!memory) {
    message.format("the model's allocator gave no %u bytes for planning", planning);
    return LEADLINE_OUT_OF_MEMORY;
  }
  PlanSummary summary;
  status = plan(*model, size, memory, &layout, &summary, &message);
  model->allocator.free(model->allocator.context, memory, planning);
  if (status == Status::ok) *bytes = layout.total;
  return to_c(status);
}

leadline_status leadline_session_create(const leadline_model* model, const leadline_session_options* options,
                                        void* memory, size_t bytes, leadline_session** session_out, char* error,
                                        size_t error_bytes) {
  Message message(error, error_bytes);
  if (!model || !memory || !session_out) {
    message.format("%s is null", !model ? "model" : !memory ? "memory" : "session");
    return LEADLINE_INVALID_ARGUMENT;
  }
  if (reinterpret_cast<uintptr_t>(memory) % LEADLINE_ALIGNMENT != 0) {
    message.format("memory is not aligned to %i bytes; use aligned_alloc or alignas", LEADLINE_ALIGNMENT);
    return LEADLINE_INVALID_ARGUMENT;
  }
  leadline_session_options chosen;
  SessionSize size;
  SessionLayout layout;
  Status status = read_session_options(*model, options, &chosen, &size, &layout, &message);
  if (status != Status::ok) return to_c(status);

  unsigned char* base = static_cast<unsigned char*>(memory);
  PlanSummary summary;
  if (bytes >= layout.total) status = plan(*model, size, base, &layout, &summary, &message);
  if (status != Status::ok) return to_c(status);
  if (bytes < layout.total) {
    message.format(
        "the session needs at least %u bytes, memory has %u; ask leadline_session_bytes with the same options",
        layout.total, bytes);
    return LEADLINE_OUT_OF_MEMORY;
  }

  // Most of the time before the first depth would be page faults. Who limits memory counts each page.
  if (model->use_large_pages && size.memory_limit == 0) model->use_large_pages(base, layout.total);

  leadline_session* session = reinterpret_cast<leadline_session*>(base);
  *session = leadline_session{};
  session->model = model;
  if (chosen.runner) {
    session->caller_runner = *chosen.runner;
    session->runner = Runner{session, chosen.runner->threads, run_guarded};
  }
  session->preprocess = model->view.input->preprocess;
  session->preprocess.height = size.height;
  session->preprocess.width = size.width;
  session->max_picture_height = size.max_picture_height;
  session->max_picture_width = size.max_picture_width;
  session->values = reinterpret_cast<ValuePlan*>(base + layout.values);
  session->nodes = reinterpret_cast<NodePlan*>(base + layout.nodes);
  session->summary = summary;
  session->precision = size.precision;
  session->level_changes = host::level_changes();
  session->isa = host::isa_name();
  session->output = session->values[model->view.graph.outputs[0]].shape;
  session->picture_workspace = base + layout.picture;
  session->picture_workspace_bytes = size.picture_bytes;
  session->arena = base + layout.arena;
  session->bytes = layout.total;
  {
    const FloatEnvironment environment;
    const GraphView& graph = model->view.graph;
    // What was prepared is read there from now on: the original needn't stay in memory beside it.
    const bool forget = summary.prepared_bytes > 0 && model->forget;
    if (forget) model->forget(model->file, model->file_bytes);
    for (int32_t i = 0; i < graph.num_nodes; ++i) {
      prepare_node<float>(exec_of(*session), graph, i, session->values, session->nodes, model->weights, session->arena);
      if (forget && session->nodes[i].prepared_bytes > 0) model->forget(model->file, model->file_bytes);
    }
  }
  *session_out = session;
  return LEADLINE_OK;
}

leadline_status leadline_session_get_info(const leadline_session* session, leadline_session_info* info) {
  if (!session) return LEADLINE_INVALID_ARGUMENT;
  leadline_session_info i{};
  i.input_height = session->preprocess.height;
  i.input_width = session->preprocess.width;
  i.input_channels = session->model->view.input->channels;
  i.output_height = static_cast<int32_t>(session->output.h);
  i.output_width = static_cast<int32_t>(session->output.w);
  i.output_channels = static_cast<int32_t>(session->output.c);
  i.threads = session->caller_runner.run ? session->caller_runner.threads : 1;
  i.bytes = session->bytes;
  i.arena_bytes = session->summary.arena_bytes;
  i.prepared_bytes = session->summary.prepared_bytes;
  i.isa = session->isa;
  i.least_bytes = session->summary.least_bytes;
  return to_c(write_info(info, i));
}

leadline_status leadline_session_get_node(const leadline_session* session, int32_t index, leadline_node_plan* plan) {
  if (!session) return LEADLINE_INVALID_ARGUMENT;
  const GraphView& graph = session->model->view.graph;
  if (index < -1 || index >= graph.num_nodes) return LEADLINE_INVALID_ARGUMENT;
  const bool is_input = index < 0;
  const int32_t v = session->values[is_input ? graph.input : graph.nodes[index].output].root;
  const ValuePlan& root = session->values[v];
  leadline_node_plan p{};
  p.arena_offset = static_cast<size_t>(root.offset);
  p.arena_bytes = buffer_bytes(graph, session->values, v, sizeof(float));
  p.first_node = root.first;
  p.last_node = root.last;
  p.first_of_strips = p.last_of_strips = index;
  p.strips = 1;
  p.algorithm = "input";
  if (!is_input) {
    const NodePlan& node = session->nodes[index];
    const bool elsewhere = node.fused_into != no_index && node.fused_into != index;
    if (elsewhere) { // its result never lies in the arena
      p.arena_bytes = 0;
      p.first_node = p.last_node = node.fused_into;
    }
    p.algorithm = node.skip ? "in place" : elsewhere ? "fused" : algorithm_name(node.algorithm);
    p.workspace_bytes = node.workspace_bytes;
    p.workspace_offset = node.workspace_offset;
    p.prepared_bytes = node.prepared_bytes + (node.in_run ? 0 : node.decoded_bytes);
    p.prepared_offset = node.prepared_offset;
    p.first_of_strips = node.group_first;
    p.last_of_strips = node.group_last;
    p.strips = node.strips;
    p.bytes_moved = bytes_moved(graph, index, session->values, node);
  }
  return to_c(write_info(plan, p));
}

leadline_status leadline_run_rgb8(leadline_session* session, const uint8_t* rgb, int32_t width, int32_t height,
                                  ptrdiff_t row_stride, float* depth, size_t depth_values) {
  if (!session || !rgb || !depth || width < 1 || height < 1) return LEADLINE_INVALID_ARGUMENT;
  if (session->model->view.input->channels != 3) return LEADLINE_UNSUPPORTED;
  if (width > session->max_picture_width || height > session->max_picture_height) return LEADLINE_INVALID_SHAPE;
  if (row_stride == 0) row_stride = ptrdiff_t{3} * width;
  if (row_stride < ptrdiff_t{3} * width) return LEADLINE_INVALID_ARGUMENT;
  if (depth_values < static_cast<size_t>(session->output.count())) return LEADLINE_OUT_OF_MEMORY;

  const FloatEnvironment environment;
  const ImageView8 picture{rgb, height, width, row_stride};
  if (!preprocess_rgb8(session->preprocess, picture, session->picture_workspace, session->picture_workspace_bytes,
                       input_of(*session).data))
    return LEADLINE_INVALID_ARGUMENT;
  Tensor<float> output;
  const Status status = run_graph(*session, &output);
  if (status == Status::ok) copy_out(output, depth);
  return to_c(status);
}

leadline_status leadline_run(leadline_session* session, const leadline_picture* picture, const leadline_depth* depth) {
  if (!session || !picture || !depth) return LEADLINE_INVALID_ARGUMENT;
  leadline_picture from;
  leadline_depth to;
  Message silent(nullptr, 0);
  Status status = read_options(picture, "leadline_picture", &from, &silent);
  if (status == Status::ok) status = read_options(depth, "leadline_depth", &to, &silent);
  if (status != Status::ok) return to_c(status);

  const ModelView& view = session->model->view;
  const bool metric = view.output->kind == OutputKind::metric_depth;
  const bool calibrated = session->scale > 0 && view.output->kind != OutputKind::values;
  if (view.input->channels != 3 || session->output.c != 1) return LEADLINE_UNSUPPORTED;
  if (to.format < LEADLINE_DEPTH_F32 || to.format > LEADLINE_DEPTH_INVERSE_F32) return LEADLINE_UNSUPPORTED;
  if (to.format != LEADLINE_DEPTH_F32 && !metric && !calibrated) return LEADLINE_UNSUPPORTED;
  if (const leadline_status checked = check_picture(from); checked != LEADLINE_OK) return checked;
  if (from.width > session->max_picture_width || from.height > session->max_picture_height)
    return LEADLINE_INVALID_SHAPE;

  const PictureRows rows(from);
  const bool whole = to.picture_size != 0;
  const int height = whole ? rows.height : static_cast<int>(session->output.h);
  const int width = whole ? rows.width : static_cast<int>(session->output.w);
  const size_t value_bytes = DepthWriter::value_bytes(to.format), row_bytes = value_bytes * static_cast<size_t>(width);
  if (!to.data || reinterpret_cast<uintptr_t>(to.data) % value_bytes != 0) return LEADLINE_INVALID_ARGUMENT;
  if (to.row_stride < 0 || (to.row_stride != 0 && static_cast<size_t>(to.row_stride) < row_bytes) ||
      static_cast<size_t>(to.row_stride) % value_bytes != 0)
    return LEADLINE_INVALID_ARGUMENT;
  const size_t stride = to.row_stride != 0 ? static_cast<size_t>(to.row_stride) : row_bytes;
  const size_t rows_before = static_cast<size_t>(height - 1);
  if (to.bytes < row_bytes || (rows_before > 0 && (to.bytes - row_bytes) / rows_before < stride))
    return LEADLINE_OUT_OF_MEMORY;

  const FloatEnvironment environment;
  const Preprocess& p = session->preprocess;
  if (!preprocess(p, rows, session->picture_workspace, session->picture_workspace_bytes, input_of(*session).data, 3,
                  ptrdiff_t{3} * p.width))
    return LEADLINE_INVALID_ARGUMENT;
  Tensor<float> output;
  status = run_graph(*session, &output);
  if (status != Status::ok) return to_c(status);

  const CropWindow window = crop_window(p.crop, rows.height, rows.width, p.height, p.width);
  float scale = 1;
  if (metric && from.focal_x > 0 && view.input->fx > 0) {
    // both cameras in pixels of this session's input; the model's are those of its default size
    const float here = from.focal_x * static_cast<float>(p.width) / static_cast<float>(window.width);
    const float trained =
        view.input->fx * static_cast<float>(p.width) / static_cast<float>(view.input->preprocess.width);
    scale = here / trained;
  }
  float shift = 0;
  if (calibrated) {
    scale *= session->scale;
    shift = session->shift;
  }
  DepthWriter(to, output, scale, shift, window, height, width).write();
  return LEADLINE_OK;
}

leadline_status leadline_session_set_calibration(leadline_session* session, const leadline_calibration* calibration) {
  if (!session) return LEADLINE_INVALID_ARGUMENT;
  leadline_calibration chosen{};
  if (calibration) {
    Message silent(nullptr, 0);
    if (read_options(calibration, "leadline_calibration", &chosen, &silent) != Status::ok ||
        !(chosen.scale > 0 && chosen.scale < 1e9f) || !(chosen.shift > -1e9f && chosen.shift < 1e9f))
      return LEADLINE_INVALID_ARGUMENT;
  }
  session->scale = chosen.scale;
  session->shift = chosen.shift;
  return LEADLINE_OK;
}

leadline_status leadline_session_set_stop(leadline_session* session, int32_t (*stop)(void* context), void* context) {
  if (!session) return LEADLINE_INVALID_ARGUMENT;
  session->stop = stop;
  session->stop_context = context;
  return LEADLINE_OK;
}

leadline_status leadline_session_set_clock(leadline_session* session, int64_t (*clock)(void* context), void* context,
                                           int64_t* node_time, int32_t nodes) {
  if (!session || (clock && !node_time)) return LEADLINE_INVALID_ARGUMENT;
  if (clock && nodes < session->model->view.graph.num_nodes) return LEADLINE_OUT_OF_MEMORY;
  session->clock = clock;
  session->clock_context = context;
  session->node_time = node_time;
  return LEADLINE_OK;
}

leadline_status leadline_run_raw(leadline_session* session, const float* input, size_t input_values, float* output,
                                 size_t output_values) {
  if (!session || !input || !output) return LEADLINE_INVALID_ARGUMENT;
  const Tensor<float> to = input_of(*session);
  if (input_values != static_cast<size_t>(to.shape.count())) return LEADLINE_INVALID_ARGUMENT;
  if (output_values < static_cast<size_t>(session->output.count())) return LEADLINE_OUT_OF_MEMORY;

  const FloatEnvironment environment;
  memcpy(to.data, input, input_values * sizeof(float));
  Tensor<float> result;
  const Status status = run_graph(*session, &result);
  if (status == Status::ok) copy_out(result, output);
  return to_c(status);
}

leadline_status leadline_self_test(leadline_session* session, float* largest_error) {
  if (!session) return LEADLINE_INVALID_ARGUMENT;
  const ModelView& view = session->model->view;
  const bool default_size = session->preprocess.height == view.input->preprocess.height &&
                            session->preprocess.width == view.input->preprocess.width;
  if (view.golden->num_samples == 0 || !default_size) return LEADLINE_UNSUPPORTED;
  return to_c(check_golden(*session, largest_error));
}
