// SPDX-License-Identifier: MIT
// Ops on elements, and those that move them.
#include "contexture/autograd/elementwise.hpp"

#include "contexture/autograd/shape.hpp"
#include "contexture/core/error.hpp"
#include "parity.hpp"

namespace parity {
namespace {

using contexture::message;
using Tensors = std::vector<torch::Tensor>;

// Of 8 elements or more: of one alone, the magnitude may be next to nothing.
Shape any_shape(Draw& draw) {
  Shape shape{draw.extent(8, 16)};
  for (Index rank = draw.between(1, 4); rank > 1; --rank) shape.push_back(draw.extent(1, 9));
  return shape;
}

// An op of one or two tensors of one shape, or of a tensor and a number.
struct Elementwise {
  const char* name;
  std::size_t inputs;
  Limits limits;
  bool kink = false;  // a ReLU's
};

template <class Ours>
Row elementwise(const Run& run, const Elementwise& op, const Ours& ours,
                const std::function<torch::Tensor(const Tensors&, double)>& theirs) {
  return compare_all({.name = op.name, .limits = op.limits, .floor = 1}, run.configurations, run.seed,
                     [&](Draw& draw, Row& row) {
                       const Shape shape = any_shape(draw);
                       const double factor = draw.uniform(-3, 3);
                       std::vector<Input> inputs;
                       for (std::size_t i = 0; i < op.inputs; ++i) inputs.push_back({draw.tensor(shape, 2)});
                       compare(
                           row, message("x ", shape), draw, inputs, Layout::same,
                           [&]<class T>(const std::vector<Variable<T>>& in) -> Outputs<T> {
                             return {ours(in, static_cast<T>(factor))};
                           },
                           [&](const Tensors& in) -> TorchOutputs {
                             return {{theirs(in, factor)}, op.kink ? in[0].detach() : torch::Tensor()};
                           });
                     });
}

void one_dropout(Draw& draw, Row& row) {
  const Shape shape = any_shape(draw);
  const auto p = static_cast<float>(draw.uniform(0, 0.9));
  const Rng rng = draw.stream();
  // Both sides drop what ours drops: generators differ.
  const Tensor<double> kept = contexture::dropout(Variable<double>(contexture::full<double>(shape, 1)), p, rng).value();
  const torch::Tensor mask = to_torch(kept, Layout::same) > 0;
  compare(
      row, message("x ", shape, ", p ", p), draw, {{draw.tensor(shape)}}, Layout::same,
      [&]<class T>(const std::vector<Variable<T>>& in) -> Outputs<T> { return {contexture::dropout(in[0], p, rng)}; },
      [&](const Tensors& in) -> TorchOutputs { return {{in[0] * mask / (1 - static_cast<double>(p))}}; });
}

void one_concat(Draw& draw, Row& row) {
  const Shape shape = any_shape(draw);
  const auto axis = static_cast<int>(draw.between(0, static_cast<int>(shape.size()) - 1));
  std::vector<Input> inputs;
  for (Index parts = draw.between(1, 4); parts > 0; --parts) {
    Shape part = shape;
    part[static_cast<std::size_t>(axis)] = draw.extent(1, 5);
    inputs.push_back({draw.tensor(part)});
  }
  compare(
      row, message("axis ", axis, " of ", shape), draw, inputs, Layout::same,
      [&]<class T>(const std::vector<Variable<T>>& in) -> Outputs<T> {
        return {contexture::concat(std::span<const Variable<T>>(in), axis)};
      },
      [&](const Tensors& in) -> TorchOutputs { return {{torch::cat(in, axis)}}; });
}

void one_gather(Draw& draw, Row& row) {
  const Shape shape = any_shape(draw);
  const std::vector<std::int32_t> rows = draw.labels(draw.extent(1, 20), shape[0]);
  compare(
      row, message("x ", shape, ", ", rows.size(), " rows"), draw, {{draw.tensor(shape)}}, Layout::same,
      [&]<class T>(const std::vector<Variable<T>>& in) -> Outputs<T> { return {contexture::gather_rows(in[0], rows)}; },
      [&](const Tensors& in) -> TorchOutputs { return {{in[0].index_select(0, torch::tensor(rows, torch::kInt64))}}; });
}

void one_reshape(Draw& draw, Row& row) {
  const Shape shape = any_shape(draw);
  Shape to;
  if (draw.one_in(2)) to.push_back(1);
  for (std::size_t i = shape.size(); i > 0; --i) to.push_back(shape[i - 1]);
  const std::vector<std::int64_t> sizes(to.begin(), to.end());
  compare(
      row, message(shape, " to ", to), draw, {{draw.tensor(shape)}}, Layout::same,
      [&]<class T>(const std::vector<Variable<T>>& in) -> Outputs<T> { return {contexture::reshape(in[0], to)}; },
      [&](const Tensors& in) -> TorchOutputs { return {{in[0].reshape(sizes)}}; });
}

}  // namespace

std::vector<Row> compare_elementwise(const Run& run) {
  const Limits exact = roundings(0.5, 0.5, "nothing is rounded");
  const Limits single = roundings(2, 2, "one rounding on either side");
  std::vector<Row> rows{
      elementwise(
          run, {.name = "relu", .inputs = 1, .limits = exact, .kink = true},
          [](const auto& in, auto) { return contexture::relu(in[0]); },
          [](const Tensors& in, double) { return torch::relu(in[0]); }),
      elementwise(
          run, {"gelu", 1, roundings(16, 16, "erf and exp by polynomials, of some 10 operations")},
          [](const auto& in, auto) { return contexture::gelu(in[0]); },
          [](const Tensors& in, double) { return torch::gelu(in[0]); }),
      elementwise(
          run, {"add", 2, single}, [](const auto& in, auto) { return contexture::add(in[0], in[1]); },
          [](const Tensors& in, double) { return in[0] + in[1]; }),
      elementwise(
          run, {"subtract", 2, single}, [](const auto& in, auto) { return contexture::subtract(in[0], in[1]); },
          [](const Tensors& in, double) { return in[0] - in[1]; }),
      elementwise(
          run, {"mul", 2, single}, [](const auto& in, auto) { return contexture::mul(in[0], in[1]); },
          [](const Tensors& in, double) { return in[0] * in[1]; }),
      elementwise(
          run, {"scale", 1, single}, [](const auto& in, auto factor) { return contexture::scale(in[0], factor); },
          [](const Tensors& in, double factor) { return in[0] * factor; }),
      elementwise(
          run, {"sum", 1, roundings(400, 2, "a sum of up to 11,664 numbers, which may cancel")},
          [](const auto& in, auto) { return contexture::sum(in[0]); },
          [](const Tensors& in, double) { return in[0].sum(); }),
      elementwise(
          run, {"mean", 1, roundings(4, 4, "that sum, divided by their count")},
          [](const auto& in, auto) { return contexture::mean(in[0]); },
          [](const Tensors& in, double) { return in[0].mean(); }),
  };
  const auto all = [&](const char* name, const Limits& limits, const std::function<void(Draw&, Row&)>& each) {
    rows.push_back(compare_all({.name = name, .limits = limits, .floor = 1}, run.configurations, run.seed, each));
  };
  all("dropout", roundings(4, 4, "a factor and a product"), one_dropout);
  all("concat", exact, one_concat);
  all("gather_rows", roundings(0.5, 16, "gradients of up to 20 picks of a row are summed"), one_gather);
  all("reshape", exact, one_reshape);
  return rows;
}

}  // namespace parity
