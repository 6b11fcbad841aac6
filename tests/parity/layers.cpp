// SPDX-License-Identifier: MIT
// Linear layers, normalisations and pooling.
#include "contexture/autograd/linear.hpp"
#include "contexture/autograd/norm.hpp"
#include "contexture/autograd/pool.hpp"
#include "contexture/autograd/sample_norm.hpp"
#include "contexture/core/error.hpp"
#include "parity.hpp"

namespace parity {
namespace {

using contexture::message;
using Tensors = std::vector<torch::Tensor>;

void one_linear(Draw& draw, Row& row) {
  const Shape shape{draw.extent(1, 40), draw.extent(1, 80)};
  const std::size_t out = draw.extent(1, 60);
  std::vector<Input> inputs{{draw.tensor(shape)}, {draw.tensor({shape[1], out}), Layout::matrix}};
  const bool bias = draw.one_in(2);
  if (bias) inputs.push_back({draw.tensor({out})});
  compare(
      row, message("x ", shape, ", ", out, " outputs"), draw, inputs, Layout::same,
      [&]<class T>(const std::vector<Variable<T>>& in) -> Outputs<T> {
        return {contexture::linear(in[0], in[1], bias ? in[2] : Variable<T>())};
      },
      [&](const Tensors& in) -> TorchOutputs {
        return {{torch::linear(in[0], in[1], bias ? in[2] : torch::Tensor())}};
      });
}

// What normalisations have in common: x (N,C) or (N,H,W,C), with or without scale and shift, residual and ReLU.
struct NormCase {
  NormCase(Draw& draw, std::size_t least_rows, std::size_t channels) {
    const bool flat = least_rows > 1 && draw.one_in(4);
    shape = flat ? Shape{draw.extent(4, 40), channels}
                 : Shape{draw.extent(1, 6), draw.extent(2, 9), draw.extent(2, 9), channels};
    layout = flat ? Layout::same : Layout::image;
    affine = !draw.one_in(4);
    relu = draw.one_in(2);
    residual = draw.one_in(3);
    epsilon = draw.of({1e-5, 1e-3, 0.1});
    inputs.push_back({draw.tensor(shape, draw.uniform(0.5, 3), draw.uniform(-2, 2)), layout});
    if (affine) inputs.insert(inputs.end(), {{draw.tensor({channels}, 0.5, 1)}, {draw.tensor({channels})}});
    if (residual) inputs.push_back({draw.tensor(shape), layout});
  }
  template <class V>
  V gamma(const std::vector<V>& in) const {
    return affine ? in[1] : V();
  }
  template <class V>
  V beta(const std::vector<V>& in) const {
    return affine ? in[2] : V();
  }
  template <class V>
  V added(const std::vector<V>& in) const {
    return residual ? in.back() : V();
  }
  // What LibTorch does one after the other.
  TorchOutputs finished(const torch::Tensor& normalised, const Tensors& in) const {
    const torch::Tensor y = residual ? normalised + in.back() : normalised;
    return relu ? TorchOutputs{{torch::relu(y)}, y.detach()} : TorchOutputs{{y}};
  }
  std::string text() const {
    return message("x ", shape, affine ? ", affine" : "", residual ? ", residual" : "", relu ? ", relu" : "",
                   ", epsilon ", epsilon);
  }

  Shape shape;
  Layout layout;
  bool affine, relu, residual;
  double epsilon;
  std::vector<Input> inputs;
};

void one_batch_norm(Draw& draw, Row& row, bool training) {
  const NormCase c(draw, 4, draw.extent(1, 48));
  const std::size_t width = c.shape.back();
  const double momentum = draw.of({0.1, 0.5, 1.0});
  const Tensor<double> mean = draw.tensor({width});
  Tensor<double> variance = draw.tensor({width}, 0.2, 1);
  for (double& v : variance.storage()) v = std::abs(v) + 0.125;
  compare(
      row, message(c.text(), ", momentum ", momentum), draw, c.inputs, c.layout,
      [&]<class T>(const std::vector<Variable<T>>& in) -> Outputs<T> {
        Tensor<T> running_mean = converted<T>(mean), running_variance = converted<T>(variance);
        const Variable<T> y = contexture::batch_norm(
            in[0], c.gamma(in), c.beta(in), running_mean, running_variance,
            {.training = training, .momentum = momentum, .epsilon = c.epsilon, .relu = c.relu}, c.added(in));
        return {y, Variable<T>(running_mean), Variable<T>(running_variance)};
      },
      [&](const Tensors& in) -> TorchOutputs {
        const torch::Tensor running_mean = to_torch(mean, Layout::same).to(in[0].scalar_type());
        const torch::Tensor running_variance = to_torch(variance, Layout::same).to(in[0].scalar_type());
        TorchOutputs out = c.finished(torch::batch_norm(in[0], c.gamma(in), c.beta(in), running_mean, running_variance,
                                                        training, momentum, c.epsilon, false),
                                      in);
        out.values.insert(out.values.end(), {running_mean, running_variance});
        return out;
      });
}

void one_layer_norm(Draw& draw, Row& row) {
  NormCase c(draw, 4, draw.extent(4, 64));
  c.layout = Layout::same;  // LibTorch, too, normalises over the last axis
  c.relu = c.residual = false;
  c.inputs.resize(c.affine ? 3 : 1);
  c.inputs[0].layout = Layout::same;
  compare(
      row, c.text(), draw, c.inputs, Layout::same,
      [&]<class T>(const std::vector<Variable<T>>& in) -> Outputs<T> {
        return {contexture::layer_norm(in[0], c.gamma(in), c.beta(in), c.epsilon)};
      },
      [&](const Tensors& in) -> TorchOutputs {
        const std::vector<std::int64_t> last{static_cast<std::int64_t>(c.shape.back())};
        return {{torch::layer_norm(in[0], last, c.gamma(in), c.beta(in), c.epsilon)}};
      });
}

void one_group_norm(Draw& draw, Row& row) {
  const std::size_t groups = draw.extent(1, 8);
  const NormCase c(draw, 1, groups * draw.extent(1, 8));
  compare(
      row, message(c.text(), ", groups ", groups), draw, c.inputs, c.layout,
      [&]<class T>(const std::vector<Variable<T>>& in) -> Outputs<T> {
        return {contexture::group_norm(in[0], c.gamma(in), c.beta(in),
                                       {.groups = static_cast<Index>(groups), .epsilon = c.epsilon, .relu = c.relu},
                                       c.added(in))};
      },
      [&](const Tensors& in) -> TorchOutputs {
        return c.finished(
            torch::group_norm(in[0], static_cast<std::int64_t>(groups), c.gamma(in), c.beta(in), c.epsilon, false), in);
      });
}

void one_pool(Draw& draw, Row& row, bool maximum) {
  contexture::Pool2dOptions o;
  o.kernel = draw.between(1, 4);
  o.stride = draw.between(0, 4);
  o.padding = draw.between(0, static_cast<int>(o.kernel / 2));
  const Shape shape{draw.extent(1, 4), draw.extent(4, 20), draw.extent(4, 20), draw.extent(1, 24)};
  const Index stride = o.stride == 0 ? o.kernel : o.stride;
  compare(
      row, message("x ", shape, ", kernel ", o.kernel, ", stride ", stride, ", padding ", o.padding), draw,
      {{draw.tensor(shape), Layout::image}}, Layout::image,
      [&]<class T>(const std::vector<Variable<T>>& in) -> Outputs<T> {
        return {maximum ? contexture::max_pool2d(in[0], o) : contexture::avg_pool2d(in[0], o)};
      },
      [&](const Tensors& in) -> TorchOutputs {
        if (maximum) return {{torch::max_pool2d(in[0], o.kernel, stride, o.padding)}};
        return {{torch::avg_pool2d(in[0], o.kernel, stride, o.padding, false, /*count_include_pad=*/false)}};
      });
}

void one_global_pool(Draw& draw, Row& row) {
  const Shape shape{draw.extent(1, 8), draw.extent(1, 32), draw.extent(1, 32), draw.extent(1, 48)};
  compare(
      row, message("x ", shape), draw, {{draw.tensor(shape, 1, draw.uniform(-1, 1)), Layout::image}}, Layout::same,
      [&]<class T>(const std::vector<Variable<T>>& in) -> Outputs<T> { return {contexture::global_avg_pool(in[0])}; },
      [&](const Tensors& in) -> TorchOutputs {
        return {{in[0].mean({2, 3})}};
      });
}

}  // namespace

std::vector<Row> compare_layers(const Run& run) {
  std::vector<Row> rows;
  const auto all = [&](const char* name, const Limits& limits, const std::function<void(Draw&, Row&)>& each) {
    rows.push_back(compare_all({.name = name, .limits = limits, .floor = 1}, run.configurations, run.seed, each));
  };
  // x gamma / deviation + (beta - mean gamma / deviation): its parts are larger than what comes out.
  const char* const parts = "a sum of parts of up to some 20 times its size; few rows have a small deviation";
  all("linear", roundings(32, 32, "sums of up to 80 products"), one_linear);
  all("batch_norm, training", roundings(400, 400, parts), [](Draw& d, Row& r) { one_batch_norm(d, r, true); });
  all("batch_norm, evaluation", roundings(16, 64, "a sum of two parts; gradients sum up to 486 rows"),
      [](Draw& d, Row& r) { one_batch_norm(d, r, false); });
  all("layer_norm", roundings(64, 64, "(x - mean) / deviation over 4 to 64 numbers; gradients sum up to 486 rows"),
      one_layer_norm);
  all("group_norm", roundings(400, 400, parts), one_group_norm);
  all("max_pool2d", roundings(0.5, 16, "nothing is rounded; gradients of overlapping windows are summed"),
      [](Draw& d, Row& r) { one_pool(d, r, true); });
  all("avg_pool2d", roundings(16, 16, "means of up to 16 numbers; gradients of overlapping windows are summed"),
      [](Draw& d, Row& r) { one_pool(d, r, false); });
  all("global_avg_pool", roundings(32, 4, "means of up to 1,024 numbers"), one_global_pool);
  return rows;
}

}  // namespace parity
