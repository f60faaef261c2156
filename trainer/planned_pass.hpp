// An inference pass of a graph on an exec of the trainer, planned as a device plans it: for what export proves and
// measures.
#pragma once

#include "shared/model/graph_builder.hpp"
#include "shared/model/model_writer.hpp"
#include "shared/model/run_plan.hpp"
#include "trainer/device_buffer.hpp"

#include <stdexcept>
#include <string>
#include <vector>

namespace leadline::trainer {

/// Plan, weights and arena, weights prepared. Keeps a reference to the graph. Throws std::invalid_argument for a graph
/// that can't be planned. Not thread-safe.
template <class Exec> class PlannedPass {
public:
  /// `options.on_host` is set here. `weights` are floats, or bytes as device_weights gives them.
  template <class Value>
  PlannedPass(const Exec& exec, const Graph& graph, const std::vector<std::vector<Value>>& weights, PlanOptions options)
      : exec_(exec), view_(graph.view()), values_(static_cast<size_t>(view_.num_values)),
        nodes_(static_cast<size_t>(view_.num_nodes)) {
    options.on_host = Exec::on_host;
    std::vector<Interval> scratch(values_.size() + nodes_.size());
    GraphError error;
    if (plan_inference(view_, graph.input_shape, options, values_.data(), nodes_.data(), scratch.data(), &summary_,
                       &error) != Status::ok)
      throw std::invalid_argument(graph.name + ": the graph can't be planned: " + error.what);
    for (const std::vector<Value>& weight : weights) {
      weights_.emplace_back(exec, weight.size() * sizeof(Value));
      copy_to_exec(exec, weights_.back().data(), weight.data(), weight.size() * sizeof(Value));
      pointers_.push_back(weights_.back().data());
    }
    arena_ = DeviceBuffer<Exec>(exec, summary_.arena_bytes);
    prepare_inference<float>(exec_, view_, values_.data(), nodes_.data(), pointers_.data(), arena_.data());
  }

  index_t input_values() const { return value(view_.input).shape.count(); }
  void upload_input(const std::vector<float>& pixels) const {
    copy_to_exec(exec_, value(view_.input).data, pixels.data(), pixels.size() * sizeof(float));
  }
  int32_t num_nodes() const { return view_.num_nodes; }
  /// What runs node `i`.
  Algorithm algorithm(int32_t i) const { return nodes_[static_cast<size_t>(i)].algorithm; }
  /// Alone, for measuring; not of a plan with strips.
  void run_node(int32_t i) const {
    leadline::run_node<float>(exec_, view_, i, values_.data(), nodes_.data(), summary_, pointers_.data(),
                              arena_.data());
  }
  void run() {
    run_inference<float>(exec_, view_, values_.data(), nodes_.data(), summary_, pointers_.data(), arena_.data());
  }
  const PlanSummary& summary() const { return summary_; }
  /// The first output, dense, on the host.
  std::vector<float> download_output() const { return download(view_.outputs[0]); }
  /// Value `v`, dense, on the host; bytes as the reals that they stand for. Later nodes may take its memory.
  std::vector<float> download(int32_t v) const {
    const Quantization quantization = view_.value_quantization(v);
    if (!quantization.quantized()) return download_elements(value_tensor<float>(values_.data(), v, arena_.data()));
    std::vector<float> reals;
    for (const uint8_t byte : download_elements(value_tensor<uint8_t>(values_.data(), v, arena_.data())))
      reals.push_back(quantization.scale * static_cast<float>(static_cast<int32_t>(byte) - quantization.zero_point));
    return reals;
  }

private:
  template <class T> std::vector<T> download_elements(const Tensor<T>& from) const {
    const Shape& s = from.shape;
    if (s.count() == 0) return {};
    std::vector<T> block(static_cast<size_t>(from.offset(s.n - 1, s.h - 1, s.w - 1) + s.c)), dense;
    exec_.fence();
    copy_to_host(exec_, block.data(), from.data, block.size() * sizeof(T));
    if (static_cast<index_t>(block.size()) == s.count()) return block;
    for (index_t n = 0; n < s.n; ++n) // a slice of another value's channels
      for (index_t h = 0; h < s.h; ++h)
        for (index_t w = 0; w < s.w; ++w) {
          const auto pixel = block.begin() + from.offset(n, h, w);
          dense.insert(dense.end(), pixel, pixel + s.c);
        }
    return dense;
  }
  Tensor<float> value(int32_t v) const { return value_tensor<float>(values_.data(), v, arena_.data()); }

  Exec exec_;
  GraphView view_;
  std::vector<ValuePlan> values_;
  std::vector<NodePlan> nodes_;
  PlanSummary summary_;
  std::vector<DeviceBuffer<Exec>> weights_;
  std::vector<const void*> pointers_;
  DeviceBuffer<Exec> arena_;
};

} // namespace leadline::trainer
