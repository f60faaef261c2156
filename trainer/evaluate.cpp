#include "trainer/evaluate.hpp"

#include "trainer/option_parser.hpp"
#include "trainer/train_loop_impl.hpp"

namespace leadline::trainer {

namespace {

EvaluationRow row_of(const std::string& name, const DepthMetrics& metrics) {
  EvaluationRow row{name, {}};
  for (int i = 0; i < DepthMetrics::count; ++i) row.metrics.push_back({DepthMetrics::names[i], metrics.value(i)});
  return row;
}

template <class T>
Evaluation evaluate_as(const Checkpoint& checkpoint, const std::string& file, const data::DatasetPtr& frames,
                       const DepthProtocol& protocol) {
  using Exec = DefaultExec;
  const Exec exec;
  const Settings settings = checkpoint_settings(checkpoint, file);
  const Graph graph = graph_settings(settings);
  check_weights(graph, checkpoint.weights, file);

  data::LoaderOptions options = loader_settings(settings, false);
  options.batch_size = micro_batch_settings(settings);
  options.cache_mb = 0; // every frame is seen once
  data::Loader loader(frames, options);
  Shape shape = graph.input_shape;
  shape.n = options.batch_size;
  GraphSession<T, Exec> session(exec, graph, shape, false);
  for (int i = 0; i < session.num_weights(); ++i)
    session.set_weight(i, internal_values<T>(graph, i, checkpoint.weights));

  // What a batch is compared with besides the network: one map for all images.
  const Shape depth_shape{shape.n, shape.h, shape.w, 1};
  const auto pixels = static_cast<size_t>(shape.h * shape.w),
             bytes = static_cast<size_t>(depth_shape.count()) * sizeof(T);
  const DeviceBuffer<Exec> truth_buffer(exec, bytes), constant_buffer(exec, bytes), mean_buffer(exec, bytes);
  const auto tensor = [&](const DeviceBuffer<Exec>& buffer, index_t n) {
    return Tensor<T>(reinterpret_cast<T*>(buffer.data()), {n, shape.h, shape.w, 1});
  };
  const bool baselines = checkpoint.mean_map.values.size() == pixels;
  if (baselines) {
    const std::vector<T> constant(static_cast<size_t>(depth_shape.count()), static_cast<T>(checkpoint.median_depth));
    std::vector<T> mean;
    for (index_t n = 0; n < shape.n; ++n)
      mean.insert(mean.end(), checkpoint.mean_map.values.begin(), checkpoint.mean_map.values.end());
    session.upload(constant.data(), tensor(constant_buffer, shape.n));
    session.upload(mean.data(), tensor(mean_buffer, shape.n));
  }

  DepthEvaluator<Exec> network(exec, protocol), constant(exec, protocol), mean_map(exec, protocol);
  std::vector<T> staging;
  Evaluation result;
  double seconds = 0;
  loader.start(0);
  for (data::Batch batch; loader.next(batch);) {
    if (batch.n == 0) continue;
    const auto start = std::chrono::steady_clock::now();
    upload_images(session, batch.image.data(), batch.n, session.input(), staging);
    session.forward(false);
    exec.fence();
    seconds += std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    const Tensor<T> truth = tensor(truth_buffer, batch.n);
    upload_images(session, batch.depth.data(), batch.n, truth, staging);
    Tensor<T> prediction = session.output();
    prediction.shape.n = batch.n;
    network.add(prediction, truth);
    if (baselines) {
      constant.add(tensor(constant_buffer, batch.n), truth);
      mean_map.add(tensor(mean_buffer, batch.n), truth);
    }
    result.images += batch.n;
  }
  if (network.result().images == 0)
    throw Error(
        {.field = "protocol",
         .value = protocol.name,
         .reason = "not one of " + std::to_string(result.images) + " frames has a valid pixel under it",
         .fix = "Look at the frames with `leadline data info`; the metres-per-unit of a pairs list may be wrong"});

  result.images_per_second = static_cast<double>(result.images) / seconds;
  std::vector<DepthMetricsRow> rows{{graph.name, network.result()}};
  if (baselines) {
    rows.push_back({"constant depth", constant.result()});
    rows.push_back({"mean map", mean_map.result()});
  }
  for (const DepthMetricsRow& row : rows) result.rows.push_back(row_of(row.name, row.metrics));
  result.table = depth_metrics_table(rows, protocol, network.note());
  return result;
}

} // namespace

Settings checkpoint_settings(const Checkpoint& checkpoint, const std::string& file) {
  Settings settings(train_option_groups());
  read_settings_text(checkpoint.settings, file + " (settings)", settings);
  return settings;
}

Evaluation evaluate(const Checkpoint& checkpoint, const std::string& file, const data::DatasetPtr& frames,
                    const std::string& protocol) {
  const DepthProtocol& rule = depth_protocol(protocol);
  return checkpoint.precision == "f64" ? evaluate_as<double>(checkpoint, file, frames, rule)
                                       : evaluate_as<float>(checkpoint, file, frames, rule);
}

} // namespace leadline::trainer
