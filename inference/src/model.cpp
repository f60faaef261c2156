// Opening a model in memory, and the questions it answers.
#include "inference/src/engine.hpp"

namespace leadline {
namespace {

int64_t saturating_add(int64_t a, int64_t b) { return a > INT64_MAX - b ? INT64_MAX : a + b; }

int64_t node_parameters(const GraphView& graph, const Node& node) {
  int64_t count = 0;
  for (const int32_t w : node.weights)
    if (w != no_index) count = saturating_add(count, graph.weight_shapes[w].count());
  return count;
}

} // namespace

Status read_options(const void* from, const char* type, size_t least, size_t size, void* to, Message* message) {
  memset(to, 0, size);
  if (!from) return Status::ok;
  size_t given;
  memcpy(&given, from, sizeof given);
  if (given < least) {
    message->format("struct_size of %s is %u, expected at least %u; set it to sizeof(%s)", type, given, least, type);
    return Status::invalid_argument;
  }
  const unsigned char* bytes = static_cast<const unsigned char*>(from);
  for (size_t i = size; i < given && i < 4096; ++i)
    if (bytes[i] != 0) {
      message->format("%s holds an option that this version of the library doesn't know", type);
      return Status::unsupported;
    }
  memcpy(to, from, given < size ? given : size);
  return Status::ok;
}

Status open_model(const void* data, size_t bytes, const leadline_open_options& options, leadline_model** model_out,
                  Message* message, void (*forget)(const void* file, size_t bytes)) {
  if (options.allocator && (!options.allocator->alloc || !options.allocator->free)) {
    *message << "allocator has a null function";
    return Status::invalid_argument;
  }
  ModelView view;
  LEADLINE_TRY(read_model(data, bytes, options.skip_checksums == 0, &view, message, forget));

  // Counts are at most max_nodes + 1, so nothing here overflows.
  const size_t values_offset = align_up(sizeof(leadline_model));
  const size_t weights_offset = values_offset + align_up(static_cast<size_t>(view.graph.num_values) * sizeof(Shape));
  const size_t block_bytes = weights_offset + align_up(static_cast<size_t>(view.graph.num_weights) * sizeof(void*));
  const leadline_allocator allocator = choose_allocator(options.allocator);
  unsigned char* block = static_cast<unsigned char*>(allocator.alloc(allocator.context, block_bytes, model_alignment));
  if (!block) {
    message->format("the allocator gave no %u bytes for the model's bookkeeping", block_bytes);
    return Status::out_of_memory;
  }

  Shape* values = reinterpret_cast<Shape*>(block + values_offset);
  const Status status = infer_model(view, view.input->preprocess.height, view.input->preprocess.width, values, message);
  if (status != Status::ok) {
    allocator.free(allocator.context, block, block_bytes);
    // At its own size: it is the file that is wrong, not what the caller asked for.
    return status == Status::invalid_argument || status == Status::invalid_shape ? Status::invalid_model : status;
  }
  leadline_model* model = reinterpret_cast<leadline_model*>(block);
  *model = leadline_model{};
  model->view = view;
  model->allocator = allocator;
  model->block_bytes = block_bytes;
  model->values = values;
  model->weights = reinterpret_cast<const void**>(block + weights_offset);
  for (int32_t i = 0; i < view.graph.num_weights; ++i) model->weights[i] = view.weight(i);
  *model_out = model;
  return Status::ok;
}

} // namespace leadline

using namespace leadline;

leadline_status leadline_model_open_memory(const void* data, size_t bytes, const leadline_open_options* options,
                                           leadline_model** model, char* error, size_t error_bytes) {
  Message message(error, error_bytes);
  if (!model) {
    message << "model is null";
    return LEADLINE_INVALID_ARGUMENT;
  }
  leadline_open_options chosen;
  const Status status = read_options(options, "leadline_open_options", &chosen, &message);
  return to_c(status == Status::ok ? open_model(data, bytes, chosen, model, &message) : status);
}

void leadline_model_close(leadline_model* model) {
  if (!model) return;
  if (model->release) model->release(model);
  const leadline_allocator allocator = model->allocator;
  allocator.free(allocator.context, model, model->block_bytes);
}

const char* leadline_weight_type_name(leadline_weight_type type) {
  return weight_type_name(static_cast<WeightType>(type));
}

leadline_status leadline_model_get_info(const leadline_model* model, leadline_model_info* info) {
  if (!model) return LEADLINE_INVALID_ARGUMENT;
  const ModelView& view = model->view;
  leadline_model_info i{};
  i.name = view.string(view.name);
  i.input_height = view.input->preprocess.height;
  i.input_width = view.input->preprocess.width;
  i.input_channels = view.input->channels;
  i.size_multiple = view.input->size_multiple;
  i.crops_centre = view.input->preprocess.crop == CropMode::centre_crop;
  i.focal_x = view.input->fx;
  i.focal_y = view.input->fy;
  i.output_kind = static_cast<leadline_output_kind>(view.output->kind);
  const Shape& output = model->values[view.graph.outputs[0]];
  i.output_height = static_cast<int32_t>(output.h);
  i.output_width = static_cast<int32_t>(output.w);
  i.output_channels = static_cast<int32_t>(output.c);
  i.min_depth = view.output->min_depth;
  i.max_depth = view.output->max_depth;
  i.nodes = view.graph.num_nodes;
  i.has_golden = view.golden->num_samples > 0;
  constexpr uint32_t types = static_cast<uint32_t>(WeightType::int8) + 1;
  int64_t parameters[types] = {};
  for (int32_t w = 0; w < view.graph.num_weights; ++w) {
    int64_t& of_type = parameters[static_cast<uint32_t>(view.weights[w].type)];
    of_type = saturating_add(of_type, view.graph.weight_shapes[w].count());
  }
  for (uint32_t t = 0; t < types; ++t) {
    i.parameters = saturating_add(i.parameters, parameters[t]);
    if (parameters[t] > parameters[i.weight_type]) i.weight_type = static_cast<leadline_weight_type>(t);
  }
  i.weight_bytes = view.weight_bytes;
  for (int32_t n = 0; n < view.graph.num_nodes; ++n)
    i.macs = saturating_add(i.macs, node_macs(view.graph, n, model->values));
  i.file_bytes = view.file_bytes;
  return to_c(write_info(info, i));
}

const char* leadline_model_provenance(const leadline_model* model, const char* key) {
  if (!model || !key || !*key || strchr(key, '=')) return nullptr;
  const size_t length = strlen(key);
  const char* entry;
  for (int32_t i = 0; (entry = leadline_model_provenance_entry(model, i)); ++i)
    if (strncmp(entry, key, length) == 0 && entry[length] == '=') return entry + length + 1;
  return nullptr;
}

const char* leadline_model_provenance_entry(const leadline_model* model, int32_t index) {
  if (!model || index < 0) return nullptr;
  const ModelView& view = model->view;
  for (size_t at = 0; at < view.provenance_bytes; at += strlen(view.provenance + at) + 1)
    if (index-- == 0) return view.provenance + at;
  return nullptr;
}

leadline_status leadline_model_get_node(const leadline_model* model, int32_t index, leadline_node_info* info) {
  if (!model || index < 0 || index >= model->view.graph.num_nodes) return LEADLINE_INVALID_ARGUMENT;
  const GraphView& graph = model->view.graph;
  const Node& node = graph.nodes[index];
  leadline_node_info i{};
  i.name = model->view.string(model->view.node_names[index]);
  i.layer = layer_name(node.kind);
  i.inputs = node.num_inputs;
  for (int s = 0; s < node.num_inputs; ++s) {
    int32_t producer = index - 1;
    while (producer >= 0 && graph.nodes[producer].output != node.inputs[s]) --producer;
    i.input[s] = producer; // -1 when no node does: the network's input
  }
  const Shape& shape = model->values[node.output];
  i.batch = static_cast<int32_t>(shape.n);
  i.height = static_cast<int32_t>(shape.h);
  i.width = static_cast<int32_t>(shape.w);
  i.channels = static_cast<int32_t>(shape.c);
  i.parameters = node_parameters(graph, node);
  i.macs = node_macs(graph, index, model->values);
  if (node.weights[0] != no_index)
    i.weight_type = static_cast<leadline_weight_type>(graph.weight_type(node.weights[0]));
  return to_c(write_info(info, i));
}
