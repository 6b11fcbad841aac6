// SPDX-License-Identifier: MIT
// Ops for one's own networks: functions of an element, broadcasting, axes, products of matrices, and losses of them.
#include <algorithm>
#include <functional>
#include <initializer_list>
#include <span>

#include "contexture/autograd/broadcast.hpp"
#include "contexture/autograd/conv.hpp"
#include "contexture/autograd/loss.hpp"
#include "contexture/autograd/math.hpp"
#include "contexture/autograd/matmul.hpp"
#include "contexture/autograd/pool.hpp"
#include "contexture/autograd/reduce.hpp"
#include "contexture/autograd/shape.hpp"
#include "contexture/core/error.hpp"
#include "parity.hpp"

namespace parity {
namespace {

namespace functional = torch::nn::functional;
using contexture::message;
using Tensors = std::vector<torch::Tensor>;

Shape some_shape(Draw& draw, Index least_rank = 1) {
  Shape shape{draw.extent(8, 16)};
  for (Index rank = draw.between(static_cast<int>(least_rank), 4); rank > 1; --rank) shape.push_back(draw.extent(1, 9));
  return shape;
}

// Numbers from 0.125 on.
Tensor<double> positive(Draw& draw, const Shape& shape) {
  Tensor<double> t = draw.tensor(shape);
  for (double& x : t.storage()) x = static_cast<float>(std::abs(x) + 0.125);
  return t;
}

// A function of an element, and of a number from 0.5 to 3.
template <class Ours>
Row function(const Run& run, const Row& empty_row, bool of_positive, const Ours& ours,
             const std::function<torch::Tensor(const torch::Tensor&, double)>& theirs) {
  return compare_all(empty_row, run.configurations, run.seed, [&](Draw& draw, Row& row) {
    const Shape shape = some_shape(draw);
    const double number = draw.uniform(0.5, 3);
    const Tensor<double> x = of_positive ? positive(draw, shape) : draw.tensor(shape, 2);
    compare(
        row, message("x ", shape, ", number ", number), draw, {{x}}, Layout::same,
        [&]<class T>(const std::vector<Variable<T>>& in) -> Outputs<T> {
          return {ours(in[0], static_cast<T>(number))};
        },
        [&](const Tensors& in) -> TorchOutputs { return {{theirs(in[0], number)}}; });
  });
}

void one_broadcast(Draw& draw, Row& row) {
  const Shape full = some_shape(draw);
  Shape a = full, b(full.begin() + draw.between(0, static_cast<int>(full.size()) - 1), full.end());
  for (Shape* shape : {&a, &b})
    for (std::size_t& extent : *shape)
      if (draw.one_in(3)) extent = 1;
  const Index op = draw.between(0, 3);
  const auto apply = [op](const auto& x, const auto& y) {
    return op == 0 ? x + y : op == 1 ? x - y : op == 2 ? x * y : x / y;
  };
  compare(
      row, message(a, " with ", b, ", op ", op), draw, {{draw.tensor(a)}, {positive(draw, b)}}, Layout::same,
      [&]<class T>(const std::vector<Variable<T>>& in) -> Outputs<T> { return {apply(in[0], in[1])}; },
      [&](const Tensors& in) -> TorchOutputs { return {{apply(in[0], in[1])}}; });
}

void one_select(Draw& draw, Row& row) {
  const Shape shape = some_shape(draw);
  Tensor<std::uint8_t> mask = contexture::empty<std::uint8_t>(shape);
  for (std::uint8_t& m : mask.storage()) m = draw.one_in(2) ? 1 : 0;
  const torch::Tensor taken = to_torch(mask, Layout::same).to(torch::kBool);
  compare(
      row, message(shape), draw, {{draw.tensor(shape)}, {draw.tensor(shape)}}, Layout::same,
      [&]<class T>(const std::vector<Variable<T>>& in) -> Outputs<T> {
        return {contexture::select(mask, in[0], in[1])};
      },
      [&](const Tensors& in) -> TorchOutputs { return {{torch::where(taken, in[0], in[1])}}; });
}

// Along one axis, or the first and the last.
enum class Along { sum, mean, max };
void one_reduction(Draw& draw, Row& row, Along kind) {
  const Shape shape = some_shape(draw, 2);
  const int last = static_cast<int>(shape.size()) - 1;
  const bool both = draw.one_in(2), keep = draw.one_in(2);
  const auto axis = static_cast<int>(draw.between(0, last));
  const auto ours = [&](const auto& x, std::initializer_list<int> axes) {
    return kind == Along::sum    ? contexture::sum(x, axes, keep)
           : kind == Along::mean ? contexture::mean(x, axes, keep)
                                 : contexture::max(x, axes, keep);
  };
  compare(
      row, message(shape, both ? ", first and last axis" : ", axis ", both ? 0 : axis, keep ? ", kept" : ""), draw,
      {{draw.tensor(shape)}}, Layout::same,
      [&]<class T>(const std::vector<Variable<T>>& in) -> Outputs<T> {
        return {both ? ours(in[0], {0, last}) : ours(in[0], {axis})};
      },
      [&](const Tensors& in) -> TorchOutputs {
        const std::vector<std::int64_t> axes =
            both ? std::vector<std::int64_t>{0, last} : std::vector<std::int64_t>{axis};
        return {{kind == Along::sum    ? in[0].sum(axes, keep)
                 : kind == Along::mean ? in[0].mean(axes, keep)
                                       : torch::amax(in[0], axes, keep)}};
      });
}

void one_softmax(Draw& draw, Row& row, bool logarithm) {
  const Shape shape = some_shape(draw);
  const auto axis = static_cast<int>(draw.between(0, static_cast<int>(shape.size()) - 1));
  compare(
      row, message(shape, ", axis ", axis), draw, {{draw.tensor(shape, draw.of({1.0, 1.0, 10.0}))}}, Layout::same,
      [&]<class T>(const std::vector<Variable<T>>& in) -> Outputs<T> {
        return {logarithm ? contexture::log_softmax(in[0], axis) : contexture::softmax(in[0], axis)};
      },
      [&](const Tensors& in) -> TorchOutputs {
        return {{logarithm ? torch::log_softmax(in[0], axis) : torch::softmax(in[0], axis)}};
      });
}

void one_matmul(Draw& draw, Row& row) {
  Shape ahead;
  for (Index rank = draw.between(0, 2); rank > 0; --rank) ahead.push_back(draw.extent(1, 4));
  const std::size_t m = draw.extent(1, 20), k = draw.extent(1, 40), n = draw.extent(1, 20);
  const Index plain = draw.between(0, 2);  // which of both has no axes ahead
  Shape a = plain == 1 ? Shape{} : ahead, b = plain == 2 ? Shape{} : ahead;
  a.insert(a.end(), {m, k});
  b.insert(b.end(), {k, n});
  compare(
      row, message(a, " by ", b), draw, {{draw.tensor(a)}, {draw.tensor(b)}}, Layout::same,
      [&]<class T>(const std::vector<Variable<T>>& in) -> Outputs<T> { return {contexture::matmul(in[0], in[1])}; },
      [&](const Tensors& in) -> TorchOutputs { return {{torch::matmul(in[0], in[1])}}; });
}

// permute, slice and stack, one after the other.
void one_rearrangement(Draw& draw, Row& row) {
  const Shape shape = some_shape(draw, 2);
  std::vector<int> axes(shape.size());
  for (std::size_t i = 0; i < axes.size(); ++i) axes[i] = static_cast<int>(i);
  for (std::size_t i = axes.size(); i > 1; --i) std::swap(axes[i - 1], axes[draw.extent(0, static_cast<int>(i) - 1)]);
  const int begin = static_cast<int>(draw.between(0, 4)), end = static_cast<int>(draw.between(begin + 1, 8));
  const auto at = static_cast<int>(std::find(axes.begin(), axes.end(), 0) - axes.begin());  // where the first axis went
  const auto where = static_cast<int>(draw.between(0, static_cast<int>(shape.size())));
  compare(
      row, message(shape, ", elements ", begin, " to ", end, ", stacked at ", where), draw,
      {{draw.tensor(shape)}, {draw.tensor(shape)}}, Layout::same,
      [&]<class T>(const std::vector<Variable<T>>& in) -> Outputs<T> {
        std::vector<Variable<T>> parts;
        for (const Variable<T>& x : in)
          parts.push_back(contexture::slice(contexture::permute(x, std::span<const int>(axes)), at, begin, end));
        return {contexture::stack(std::span<const Variable<T>>(parts), where)};
      },
      [&](const Tensors& in) -> TorchOutputs {
        const std::vector<std::int64_t> order(axes.begin(), axes.end());
        Tensors parts;
        for (const torch::Tensor& x : in) parts.push_back(x.permute(order).slice(at, begin, end));
        return {{torch::stack(parts, where)}};
      });
}

void one_upsampling(Draw& draw, Row& row) {
  const Shape shape{draw.extent(1, 4), draw.extent(2, 9), draw.extent(2, 9), draw.extent(1, 12)};
  const Index factor = draw.between(1, 4);
  compare(
      row, message(shape, ", factor ", factor), draw, {{draw.tensor(shape), Layout::image}}, Layout::image,
      [&]<class T>(const std::vector<Variable<T>>& in) -> Outputs<T> {
        return {contexture::upsample2d(in[0], factor)};
      },
      [&](const Tensors& in) -> TorchOutputs {
        return {{in[0].repeat_interleave(factor, 2).repeat_interleave(factor, 3)}};
      });
}

void one_transposed_convolution(Draw& draw, Row& row) {
  contexture::Conv2dOptions o;
  const std::size_t r = draw.extent(1, 5), s = draw.extent(1, 5), groups = draw.extent(1, 3);
  o.stride = draw.between(1, 3);
  o.padding = draw.between(0, 1);
  o.dilation = draw.between(1, 2);
  o.groups = static_cast<Index>(groups);
  const Index extra = draw.between(0, static_cast<int>(o.stride) - 1);
  const std::size_t c = groups * draw.extent(1, 8), k = groups * draw.extent(1, 8);
  const Shape image{draw.extent(1, 4), draw.extent(3, 12), draw.extent(3, 12), k};
  std::vector<Input> inputs{{draw.tensor(image), Layout::image}, {draw.tensor({r, s, c / groups, k}), Layout::weights}};
  const bool bias = draw.one_in(2);
  if (bias) inputs.push_back({draw.tensor({c})});
  compare(
      row,
      message("x ", image, ", weight ", inputs[1].value.shape(), ", stride ", o.stride, ", padding ", o.padding,
              ", dilation ", o.dilation, ", groups ", o.groups, ", extra ", extra),
      draw, inputs, Layout::image,
      [&]<class T>(const std::vector<Variable<T>>& in) -> Outputs<T> {
        return {contexture::conv_transpose2d(in[0], in[1], bias ? in[2] : Variable<T>(), o, extra)};
      },
      [&](const Tensors& in) -> TorchOutputs {
        return {{torch::conv_transpose2d(in[0], in[1], bias ? in[2] : torch::Tensor(), o.stride, o.padding, extra,
                                         o.groups, o.dilation)}};
      });
}

void one_distance(Draw& draw, Row& row) {
  const Shape shape{draw.extent(4, 40), draw.extent(2, 40)};
  const double delta = draw.uniform(0.3, 2);
  const bool huber = draw.one_in(2);
  compare(
      row, message(shape, huber ? ", Huber's, delta " : ", absolute, delta ", delta), draw,
      {{draw.tensor(shape)}, {draw.tensor(shape)}}, Layout::same,
      [&]<class T>(const std::vector<Variable<T>>& in) -> Outputs<T> {
        return {huber ? contexture::huber_loss(in[0], in[1], static_cast<T>(delta))
                      : contexture::l1_loss(in[0], in[1])};
      },
      [&](const Tensors& in) -> TorchOutputs {
        return {{huber ? torch::huber_loss(in[0], in[1], at::Reduction::Mean, delta) : torch::l1_loss(in[0], in[1])}};
      });
}

void one_binary_cross_entropy(Draw& draw, Row& row) {
  const Shape shape{draw.extent(2, 40), draw.extent(2, 40)};
  Tensor<double> targets = draw.tensor(shape);
  for (double& t : targets.storage()) t = draw.one_in(2) ? draw.uniform(0, 1) : draw.of({0.0, 1.0});
  compare(
      row, message(shape), draw, {{draw.tensor(shape, draw.of({1.0, 10.0, 100.0}))}}, Layout::same,
      [&]<class T>(const std::vector<Variable<T>>& in) -> Outputs<T> {
        return {contexture::sigmoid_cross_entropy(in[0], converted<T>(targets))};
      },
      [&](const Tensors& in) -> TorchOutputs {
        return {
            {torch::binary_cross_entropy_with_logits(in[0], to_torch(targets, Layout::same).to(in[0].scalar_type()))}};
      });
}

void one_triplet(Draw& draw, Row& row) {
  const Shape shape{draw.extent(2, 40), draw.extent(2, 40)};
  const double margin = draw.uniform(0.5, 3);
  compare(
      row, message(shape, ", margin ", margin), draw,
      {{draw.tensor(shape)}, {draw.tensor(shape)}, {draw.tensor(shape)}}, Layout::same,
      [&]<class T>(const std::vector<Variable<T>>& in) -> Outputs<T> {
        return {contexture::triplet_loss(in[0], in[1], in[2], static_cast<T>(margin))};
      },
      [&](const Tensors& in) -> TorchOutputs { return {{torch::triplet_margin_loss(in[0], in[1], in[2], margin)}}; });
}

}  // namespace

std::vector<Row> compare_functions(const Run& run) {
  const auto row = [](const char* name, double values, double gradients, const char* why) {
    return Row{.name = name, .limits = roundings(values, gradients, why), .floor = 1};
  };
  const char* const own = "the C library's function on one side, a polynomial on the other";
  std::vector<Row> rows{
      function(
          run, row("exp", 8, 8, own), false, [](const auto& x, auto) { return contexture::exp(x); },
          [](const torch::Tensor& x, double) { return torch::exp(x); }),
      function(
          run, row("log", 8, 8, own), true, [](const auto& x, auto) { return contexture::log(x); },
          [](const torch::Tensor& x, double) { return torch::log(x); }),
      function(
          run, row("sqrt", 4, 8, "one rounding; the gradient divides by it"), true,
          [](const auto& x, auto) { return contexture::sqrt(x); },
          [](const torch::Tensor& x, double) { return torch::sqrt(x); }),
      function(
          run, row("abs", 0.5, 0.5, "nothing is rounded"), false,
          [](const auto& x, auto) { return contexture::abs(x); },
          [](const torch::Tensor& x, double) { return torch::abs(x); }),
      function(
          run, row("pow", 8, 16, own), true, [](const auto& x, auto number) { return contexture::pow(x, number); },
          [](const torch::Tensor& x, double number) { return torch::pow(x, number); }),
      function(
          run, row("sigmoid", 8, 8, own), false, [](const auto& x, auto) { return contexture::sigmoid(x); },
          [](const torch::Tensor& x, double) { return torch::sigmoid(x); }),
      function(
          run, row("tanh", 8, 8, own), false, [](const auto& x, auto) { return contexture::tanh(x); },
          [](const torch::Tensor& x, double) { return torch::tanh(x); }),
      function(
          run, row("silu", 8, 16, own), false, [](const auto& x, auto) { return contexture::silu(x); },
          [](const torch::Tensor& x, double) { return torch::silu(x); }),
      function(
          run, row("clamp", 0.5, 0.5, "nothing is rounded"), false,
          [](const auto& x, auto number) { return contexture::clamp(x, -number / 2, number); },
          [](const torch::Tensor& x, double number) { return torch::clamp(x, -number / 2, number); }),
  };
  const auto all = [&](const Row& empty_row, const std::function<void(Draw&, Row&)>& each) {
    rows.push_back(compare_all(empty_row, run.configurations, run.seed, each));
  };
  all(row("+ - * /, broadcast", 4, 400, "gradients are sums of up to 11,664 numbers, which may cancel"), one_broadcast);
  all(row("select", 0.5, 0.5, "nothing is rounded"), one_select);
  all(row("sum along axes", 64, 2, "sums of up to 144 numbers"),
      [](Draw& d, Row& r) { one_reduction(d, r, Along::sum); });
  all(row("mean along axes", 16, 4, "sums of up to 144 numbers, divided by their count"),
      [](Draw& d, Row& r) { one_reduction(d, r, Along::mean); });
  all(row("max along axes", 0.5, 0.5, "nothing is rounded"), [](Draw& d, Row& r) { one_reduction(d, r, Along::max); });
  all(row("softmax", 32, 32, "a difference, exp of it, sums of up to 16"),
      [](Draw& d, Row& r) { one_softmax(d, r, false); });
  all(row("log_softmax", 32, 32, "a difference, exp of it, sums of up to 16, and log"),
      [](Draw& d, Row& r) { one_softmax(d, r, true); });
  all(row("matmul", 64, 64, "sums of up to 320 products"), one_matmul);
  all(row("permute, slice, stack", 0.5, 0.5, "nothing is rounded"), one_rearrangement);
  all(row("upsample2d", 0.5, 16, "nothing is rounded; gradients of up to 16 copies are summed"), one_upsampling);
  all(row("conv_transpose2d", 64, 64, "sums of up to 200 products, of the gradient of weights more"),
      one_transposed_convolution);
  all(row("l1_loss, huber_loss", 64, 8, "means of up to 1,600 numbers"), one_distance);
  all(row("sigmoid_cross_entropy", 64, 8, "means of up to 1,600 numbers"), one_binary_cross_entropy);
  all(row("triplet_loss", 64, 32, "norms of up to 40 numbers, a mean of 40"), one_triplet);
  return rows;
}

}  // namespace parity
