// An inference pass of a graph on an exec of the trainer, planned as a device plans it: for what export proves and
// measures.
#pragma once

#include "shared/model/graph_builder.hpp"
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
  /// `options.on_host` is set here.
  PlannedPass(const Exec& exec, const Graph& graph, const std::vector<std::vector<float>>& weights, PlanOptions options)
      : exec_(exec), view_(graph.view()), values_(static_cast<size_t>(view_.num_values)),
        nodes_(static_cast<size_t>(view_.num_nodes)) {
    options.on_host = Exec::on_host;
    std::vector<Interval> scratch(values_.size() + nodes_.size());
    GraphError error;
    if (plan_inference(view_, graph.input_shape, options, values_.data(), nodes_.data(), scratch.data(), &summary_,
                       &error) != Status::ok)
      throw std::invalid_argument(graph.name + ": the graph can't be planned: " + error.what);
    for (const std::vector<float>& weight : weights) {
      weights_.emplace_back(exec, weight.size() * sizeof(float));
      copy_to_exec(exec, weights_.back().data(), weight.data(), weight.size() * sizeof(float));
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
  std::vector<float> download_output() const {
    const Tensor<float> output = value(view_.outputs[0]);
    std::vector<float> result(static_cast<size_t>(output.shape.count()));
    exec_.fence();
    copy_to_host(exec_, result.data(), output.data, result.size() * sizeof(float));
    return result;
  }

private:
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
