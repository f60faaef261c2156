// Every case of torch_unet.h5: ten training steps of a U-Net from PyTorch's first weights, in double and in float.
#include "tests/support/golden_file.hpp"
#include "trainer/device_buffer.hpp"
#include "trainer/graph_session.hpp"
#include "trainer/losses/losses.hpp"
#include "trainer/networks/unet.hpp"
#include "trainer/optimizers/optimizers.hpp"
#include "trainer/weight_layout.hpp"

#include <catch2/catch_test_macros.hpp>

#include <cmath>

using namespace leadline;
using namespace leadline::testing;
using namespace leadline::trainer;

namespace {

/// [N,C,H,W] to [N,H,W,C].
template <class T> std::vector<T> to_nhwc(const GoldenArray& array) {
  const Shape s{array.dims[0], array.dims[2], array.dims[3], array.dims[1]};
  return from_pytorch(std::vector<T>(array.values.begin(), array.values.end()), s);
}

/// The largest difference, relative to the largest wanted value.
template <class T> double relative_error(const std::vector<T>& got, const std::vector<double>& wanted) {
  REQUIRE(got.size() == wanted.size());
  double difference = 0, largest = 0;
  for (size_t i = 0; i < got.size(); ++i) {
    const double d = std::abs(static_cast<double>(got[i]) - wanted[i]);
    difference = d > difference || std::isnan(d) ? d : difference;
    largest = std::max(largest, std::abs(wanted[i]));
  }
  return largest > 0 ? difference / largest : difference;
}

/// The network that a case describes. An option that isn't known fails.
UNetParams unet_of(const GoldenGroup& group) {
  UNetParams p;
  p.base_channels = group.integer("base_channels");
  p.levels = group.integer("levels");
  const std::string head = group.text("head");
  REQUIRE((head == "sigmoid" || head == "none"));
  p.head = head == "sigmoid" ? Head::sigmoid : Head::linear;
  p.min_depth = 0;
  p.max_depth = 1;
  const std::vector<int64_t>& dims = group.array("input").dims;
  p.in_channels = static_cast<int>(dims[1]);
  p.height = static_cast<int>(dims[2]);
  p.width = static_cast<int>(dims[3]);
  return p;
}

/// A run of the case's training on DefaultExec.
template <class T> class Twin {
public:
  explicit Twin(const GoldenGroup& group)
      : group_(group), graph_(unet(unet_of(group))), input_(to_nhwc<T>(group.array("input"))),
        target_(to_nhwc<T>(group.array("target"))), shape_{group.array("input").dims[0], graph_.input_shape.h,
                                                           graph_.input_shape.w, graph_.input_shape.c},
        session_(exec_, graph_, shape_, true), truth_(exec_, target_.size() * sizeof(T)), value_(exec_, sizeof(T)) {
    for (int i = 0; i < session_.num_weights(); ++i) {
      const GoldenArray& first = group.group("init").array(name(i));
      REQUIRE(first.dims == pytorch_shape(graph_, i));
      session_.set_weight(i, from_pytorch(std::vector<T>(first.values.begin(), first.values.end()),
                                          graph_.weight_shapes[static_cast<size_t>(i)]));
    }
    REQUIRE(group.group("init").unread() == ""); // every weight of PyTorch's has its place here
    session_.upload(target_.data(), truth());

    const std::string optimizer = group.text("optimizer");
    OptimizerParams params = default_optimizer_params(optimizer);
    params.lr = group.number("lr");
    params.momentum = group.number("momentum");
    std::vector<WeightSlot<T>> slots;
    for (int i = 0; i < session_.num_weights(); ++i)
      if (graph_.trainable[static_cast<size_t>(i)])
        slots.push_back({name(i), session_.weight(i), session_.diff_weight(i)});
    optimizer_ = make_optimizer<T, DefaultExec>(optimizer, params, exec_, slots);
    LossParams loss;
    loss.valid = Valid::finite; // F.mse_loss looks at every element
    loss_ = make_loss<T, DefaultExec>(group.text("loss"), loss);
    workspace_ = DeviceBuffer<DefaultExec>(exec_, loss_->workspace_bytes(truth().shape));
  }

  const std::string& name(int i) const { return graph_.weight_names[static_cast<size_t>(i)]; }
  const Graph& graph() const { return graph_; }

  double loss_and_gradients() {
    session_.upload(input_.data(), session_.input());
    session_.forward(true);
    training_output_ = output();
    LossArgs<T> args;
    args.prediction = session_.output();
    args.target = truth();
    args.diff_prediction = session_.diff_output();
    args.value = reinterpret_cast<T*>(value_.data());
    args.workspace = {workspace_.data(), workspace_.bytes()};
    loss_->forward_backward(exec_, args);
    session_.backward(0);
    session_.finish_step();
    T loss;
    session_.download(Tensor<const T>(args.value, {1, 1, 1, 1}), &loss);
    return static_cast<double>(loss);
  }
  void update() { optimizer_->step(); }

  /// What the last loss_and_gradients() predicted, before backward took its memory.
  const std::vector<T>& training_output() const { return training_output_; }
  std::vector<T> evaluation_output() {
    session_.upload(input_.data(), session_.input());
    session_.forward(false);
    return output();
  }
  std::vector<T> weight(int i) const {
    return to_pytorch(session_.get_weight(i), graph_.weight_shapes[static_cast<size_t>(i)]);
  }
  std::vector<T> gradient(int i) const {
    return to_pytorch(session_.get_diff_weight(i), graph_.weight_shapes[static_cast<size_t>(i)]);
  }

private:
  std::vector<T> output() const {
    std::vector<T> values(target_.size());
    session_.download(session_.output(), values.data());
    return values;
  }
  Tensor<T> truth() const { return {reinterpret_cast<T*>(truth_.data()), {shape_.n, shape_.h, shape_.w, 1}}; }

  const GoldenGroup& group_;
  DefaultExec exec_;
  Graph graph_;
  std::vector<T> input_, target_, training_output_;
  Shape shape_;
  GraphSession<T, DefaultExec> session_;
  DeviceBuffer<DefaultExec> truth_, value_, workspace_;
  std::unique_ptr<Optimizer<T, DefaultExec>> optimizer_;
  std::unique_ptr<Loss<T, DefaultExec>> loss_;
};

template <class T> void check_first_gradients(Twin<T>& twin, const GoldenGroup& group, double tolerance) {
  for (int i = 0; i < static_cast<int>(twin.graph().weight_names.size()); ++i) {
    if (!twin.graph().trainable[static_cast<size_t>(i)]) continue;
    INFO("gradient of " << twin.name(i));
    const double error = relative_error(twin.gradient(i), group.array("diff_" + twin.name(i)).values);
    CHECK(error <= tolerance);
  }
}

} // namespace

TEST_CASE("ten steps of PyTorch's training, in double") {
  const GoldenGroup file = read_golden("torch_unet.h5");
  REQUIRE_FALSE(file.groups.empty());
  for (const auto& [name, group] : file.groups) {
    INFO(group.path);
    Twin<double> twin(group);
    const std::vector<double>& losses = group.array("losses").values;
    REQUIRE_FALSE(losses.empty());
    for (size_t step = 0; step < losses.size(); ++step) {
      const double loss = twin.loss_and_gradients();
      INFO("step " << step);
      CHECK(std::abs(loss - losses[step]) <= 1e-9 * std::abs(losses[step]));
      if (step == 0) {
        CHECK(relative_error(twin.training_output(), group.array("output").values) <= 1e-12);
        check_first_gradients(twin, group, 1e-10);
      }
      twin.update();
    }
    for (int i = 0; i < static_cast<int>(twin.graph().weight_names.size()); ++i) { // running statistics are among them
      INFO("final " << twin.name(i));
      CHECK(relative_error(twin.weight(i), group.group("final").array(twin.name(i)).values) <= 1e-8);
    }
    CHECK(relative_error(twin.evaluation_output(), group.array("eval_output").values) <= 1e-8);
    CHECK(group.unread() == "");
    CHECK(group.group("final").unread() == "");
  }
}

TEST_CASE("the first step's gradients, in float") {
  const GoldenGroup file = read_golden("torch_unet.h5");
  for (const auto& [name, group] : file.groups) {
    INFO(group.path);
    Twin<float> twin(group);
    const double loss = twin.loss_and_gradients();
    CHECK(std::abs(loss - group.array("losses").values[0]) <= 1e-5 * group.array("losses").values[0]);
    check_first_gradients(twin, group, 3e-5);
  }
}
