#include "inference/golden.hpp"

#include <leadline/leadline.hpp>

#include <cstring>
#include <stdexcept>
#include <string>

namespace leadline {

std::vector<float> compute_golden(const ModelSpec& spec) {
  const std::vector<unsigned char> bytes = encode_model(spec);
  AlignedMemory file;
  if (!file.allocate(bytes.size())) throw std::bad_alloc();
  std::memcpy(file.data(), bytes.data(), bytes.size());

  Model model;
  Session session;
  ErrorText error;
  leadline_session_options options{};
  options.struct_size = sizeof options;
  options.max_picture_height = options.max_picture_width = 1; // the golden input is no picture
  if (model.open_memory(file.data(), bytes.size(), error) != LEADLINE_OK ||
      session.create(model, error, &options) != LEADLINE_OK)
    throw std::runtime_error(std::string("the golden sample can't be computed: ") + error.text);

  std::vector<float> input(static_cast<size_t>(spec.graph->input_shape.count()));
  for (size_t i = 0; i < input.size(); ++i) input[i] = golden_input(spec.golden_seed, static_cast<index_t>(i));
  std::vector<float> output(session.output_values()), samples;
  if (const leadline_status status = session.run_raw(input.data(), input.size(), output.data(), output.size());
      status != LEADLINE_OK)
    throw std::runtime_error(std::string("the golden sample can't be computed: ") + leadline_status_text(status));
  for (size_t i = 0; i < output.size(); i += golden_stride(static_cast<index_t>(output.size()))) {
    if (!math::isfinite(output[i]))
      throw std::runtime_error(
          "the golden sample can't be computed: the network's answer is not finite; its weights are of no use");
    samples.push_back(output[i]);
  }
  return samples;
}

} // namespace leadline
