// SPDX-License-Identifier: MIT
// Convolutions over all their options.
#include "contexture/autograd/conv.hpp"
#include "contexture/core/error.hpp"
#include "parity.hpp"

namespace parity {
namespace {

void one_convolution(Draw& draw, Row& row) {
  contexture::Conv2dOptions o;
  const std::size_t r = draw.one_in(3) ? draw.extent(1, 7) : 3;
  const std::size_t s = draw.one_in(4) ? draw.extent(1, 7) : r;
  o.stride = draw.between(1, 3);
  o.padding = draw.between(0, 3);
  o.dilation = draw.one_in(4) ? draw.between(2, 3) : 1;
  const std::size_t step = static_cast<std::size_t>(draw.of({1, 1, 1, 4, 8, 16}));  // of the channels
  const auto groups = draw.one_in(2) ? std::size_t{1} : draw.extent(1, 6);
  o.groups = static_cast<Index>(groups);
  const std::size_t c = groups * step * draw.extent(1, 4), k = groups * (draw.one_in(3) ? 1 : step * draw.extent(1, 4));
  const auto least = [&](std::size_t kernel) {
    return static_cast<int>(std::max<Index>(1, o.dilation * (static_cast<Index>(kernel) - 1) + 1 - 2 * o.padding));
  };
  const Shape image{draw.extent(1, 4), draw.extent(least(r), least(r) + 16), draw.extent(least(s), least(s) + 16), c};
  std::vector<Input> inputs{{draw.tensor(image), Layout::image}, {draw.tensor({r, s, c / groups, k}), Layout::weights}};
  const bool bias = draw.one_in(2);
  if (bias) inputs.push_back({draw.tensor({k})});
  const auto ours = [&]<class T>(const std::vector<Variable<T>>& in) -> Outputs<T> {
    return {contexture::conv2d(in[0], in[1], bias ? in[2] : Variable<T>(), o)};
  };
  const auto theirs = [&](const std::vector<torch::Tensor>& in) -> TorchOutputs {
    return {{torch::conv2d(in[0], in[1], bias ? in[2] : torch::Tensor(), o.stride, o.padding, o.dilation, o.groups)}};
  };
  compare(row,
          contexture::message("x ", image, ", weight ", inputs[1].value.shape(), ", stride ", o.stride, ", padding ",
                              o.padding, ", dilation ", o.dilation, ", groups ", o.groups),
          draw, inputs, Layout::image, ours, theirs);
}

}  // namespace

std::vector<Row> compare_convolution(const Run& run) {
  const Limits limits =
      roundings(150, 150, "sums of up to 3,136 products, of the gradient of weights more; Winograd's transforms");
  return {compare_all({.name = "conv2d", .limits = limits, .floor = 1}, run.configurations, run.seed, one_convolution)};
}

}  // namespace parity
