// SPDX-License-Identifier: MIT
// The op and the layer that docs/HACKING.md walks through: values, gradients, names, learning.
#include "contexture/autograd/elementwise.hpp"
#include "contexture/autograd/gradcheck.hpp"
#include "contexture/core/rng.hpp"
#include "contexture/optim/optimizer.hpp"
#include "nn/example_op.hpp"
#include "support/catch.hpp"

using namespace contexture;

namespace {
Tensor<float> row(std::initializer_list<float> values) {
  Tensor<float> t = empty<float>({1, values.size()});
  std::copy(values.begin(), values.end(), t.data());
  return t;
}
}  // namespace

TEST_CASE("the example op has the right values and gradients") {
  example::PRelu<float> layer(3, {.initial = 0.5});
  const Variable<float> y = layer(Variable<float>(row({-2, 0, 3})));
  CHECK(y.value().data()[0] == -1.0F);
  CHECK(y.value().data()[1] == 0.0F);
  CHECK(y.value().data()[2] == 3.0F);

  Rng rng(1);
  Tensor<double> x = empty<double>({4, 2, 3});
  for (double& v : x.storage()) {
    v = static_cast<double>(rng.normal());
    v += v < 0 ? -0.1 : 0.1;  // clear of the kink
  }
  Tensor<double> slope = full<double>({3}, 0.25);
  slope.data()[1] = -0.5;
  const std::vector<Variable<double>> inputs{Variable<double>(std::move(x), true),
                                             Variable<double>(std::move(slope), true)};
  CHECK(gradcheck([](std::span<const Variable<double>> in) { return example::prelu(in[0], in[1]); }, inputs,
                  {.full_jacobian = true}) == "");
  CHECK_THROWS_AS(example::prelu(Variable<float>(row({1, 2})), Variable<float>(zeros<float>({3}))),
                  std::invalid_argument);
  CHECK_THROWS_AS(example::PRelu<float>(0), std::invalid_argument);
}

TEST_CASE("the example layer lists its slope and learns it") {
  example::PRelu<float> layer(1);
  REQUIRE(layer.parameters().size() == 1);
  CHECK(layer.parameters()[0].name == "slope");
  CHECK(layer.parameters()[0].variable.value().data()[0] == 0.25F);
  // 0.9 is the slope that takes -1 to -0.9: the minimum of (y + 0.9)^2.
  Sgd<float> sgd(layer.parameters(), {.momentum = 0, .weight_decay = 0});
  for (int step = 0; step < 50; ++step, sgd.zero_grad()) {
    const Variable<float> wanted(row({0.9F}));
    const Variable<float> error = add(layer(Variable<float>(row({-1}))), wanted);
    sum(mul(error, error)).backward();
    sgd.step(0.1);
  }
  CHECK(layer.parameters()[0].variable.value().data()[0] == Approx(0.9).margin(0.01));
  example::PRelu<float> copy = layer.clone();
  const float learnt = layer.parameters()[0].variable.value().data()[0];
  CHECK(copy.parameters()[0].variable.value().data()[0] == learnt);
  copy.parameters()[0].variable.mutable_value().data()[0] = 0;
  CHECK(layer.parameters()[0].variable.value().data()[0] == learnt);
}
