// SPDX-License-Identifier: MIT
// Mixed precision on the tape: values and gradients in bfloat16 between convolutions, float for everybody else.
#include <cmath>
#include <vector>

#include "contexture/autograd/conv.hpp"
#include "contexture/autograd/elementwise.hpp"
#include "contexture/autograd/linear.hpp"
#include "contexture/autograd/loss.hpp"
#include "contexture/autograd/norm.hpp"
#include "contexture/autograd/pool.hpp"
#include "contexture/core/precision.hpp"
#include "contexture/core/rng.hpp"
#include "support/catch.hpp"

namespace {

using namespace contexture;

Tensor<float> normal_tensor(const Shape& shape, std::uint64_t seed, float scale = 1) {
  Tensor<float> t = empty<float>(shape);
  Rng rng(seed);
  for (float& v : t) v = scale * static_cast<float>(rng.normal());
  return t;
}

double relative_difference(const Tensor<float>& a, const Tensor<float>& b) {
  REQUIRE(a.shape() == b.shape());
  double difference = 0, size = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    difference += std::pow(static_cast<double>(a.data()[i]) - static_cast<double>(b.data()[i]), 2);
    size += std::pow(static_cast<double>(b.data()[i]), 2);
  }
  return std::sqrt(difference / size);
}

// A convolution, batch-norm with ReLU, one with a residual, pooled: what a residual network is made of.
struct SmallNetwork {
  Variable<float> first{normal_tensor({3, 3, 3, 20}, 1, 0.2f), true};
  Variable<float> second{normal_tensor({3, 3, 20, 20}, 2, 0.1f), true};
  Variable<float> bias{normal_tensor({20}, 3, 0.1f), true};
  Variable<float> gamma{full<float>({20}, 1.1f), true}, beta{full<float>({20}, 0.1f), true};
  Variable<float> input{normal_tensor({6, 9, 9, 3}, 4), true};
  Tensor<float> mean = zeros<float>({20}), variance = full<float>({20}, 1.0f);
  Variable<float> last_map;
  bool relu = true;

  Variable<float> loss() {
    const Variable<float> a = conv2d(input, first, bias, {.padding = 1});
    const Variable<float> b = batch_norm(a, gamma, beta, mean, variance, {.relu = relu});
    const Variable<float> c = conv2d(b, second, {}, {.padding = 1});
    last_map = batch_norm(c, gamma, beta, mean, variance, {.relu = relu}, b);
    const Variable<float> features = global_avg_pool(last_map);
    return sum(gelu(features));
  }
};

TEST_CASE("mixed precision: values and gradients are those of float, up to the rounding of bfloat16") {
  // Without ReLUs all is smooth; with them, where rounding changes a sign, a gradient goes another way.
  const auto [relu, bound] = GENERATE(table<bool, double>({{false, 0.01}, {true, 0.15}}));
  SmallNetwork reference, mixed;
  reference.relu = mixed.relu = relu;
  const Variable<float> expected = reference.loss();
  expected.backward();
  Variable<float> got;
  {
    const PrecisionGuard guard(Precision::bfloat16);
    got = mixed.loss();
  }
  got.backward();  // what was recorded keeps its precision
  CHECK(got.item() == Approx(expected.item()).epsilon(0.01));
  CHECK(got.item() != expected.item());
  CHECK(mixed.last_map.saved_reduced() != nullptr);
  CHECK(reference.last_map.saved_reduced() == nullptr);
  CHECK(relative_difference(mixed.last_map.value(), reference.last_map.value()) < 0.01);
  CHECK(relative_difference(mixed.first.grad(), reference.first.grad()) < bound);
  CHECK(relative_difference(mixed.second.grad(), reference.second.grad()) < bound);
  CHECK(relative_difference(mixed.gamma.grad(), reference.gamma.grad()) < bound);
  CHECK(relative_difference(mixed.beta.grad(), reference.beta.grad()) < bound);
  CHECK(relative_difference(mixed.input.grad(), reference.input.grad()) < bound);
  CHECK(relative_difference(mixed.mean, reference.mean) < 0.01);
  CHECK(relative_difference(mixed.variance, reference.variance) < 0.01);
}

TEST_CASE("mixed precision: gradients need no scaling, they keep the range of float") {
  SmallNetwork network, scaled;
  const PrecisionGuard guard(Precision::bfloat16);
  network.loss().backward();
  scaled.loss().backward(full<float>({}, 0x1p-60f));  // far below what half precision can hold
  Tensor<float> unscaled = scaled.first.grad();
  for (float& v : unscaled) v *= 0x1p60f;
  CHECK(relative_difference(unscaled, network.first.grad()) == 0.0);
}

TEST_CASE("mixed precision: ops that know nothing of bfloat16 read float, and give gradients in float") {
  const Variable<float> x(normal_tensor({2, 5, 5, 4}, 5), true), w(normal_tensor({3, 3, 4, 6}, 6), true);
  const PrecisionGuard guard(Precision::bfloat16);
  const Variable<float> y = conv2d(x, w, {}, {.padding = 1});
  REQUIRE(y.saved_reduced() != nullptr);
  CHECK(y.shape() == Shape({2, 5, 5, 6}));
  CHECK(y.size() == 300);
  CHECK(y.value().data()[7] == static_cast<float>(y.saved_reduced()->data()[7]));
  CHECK(&y.value() == &y.value());  // made once
  CHECK(y.detach().saved_reduced() == y.saved_reduced());
  // Used twice, by ops in float: both gradients arrive.
  const Variable<float> twice = sum(add(relu(y), y));
  twice.backward();
  Tensor<float> masks = y.value();
  for (float& v : masks) v = v > 0 ? 2.0f : 1.0f;
  const Variable<float> same(x.value(), true);
  const Variable<float> again = conv2d(same, w, {}, {.padding = 1});
  again.backward(masks);
  CHECK(relative_difference(x.grad(), same.grad()) == 0.0);

  // A residual in float behind values in bfloat16, and groups, which stay float.
  Tensor<float> mean = zeros<float>({6}), variance = full<float>({6}, 1.0f);
  const Variable<float> residual(normal_tensor({2, 5, 5, 6}, 7), true);
  const Variable<float> normal = batch_norm(again.detach(), {}, {}, mean, variance, {.relu = true}, residual);
  CHECK(normal.saved_reduced() != nullptr);
  sum(normal).backward();
  CHECK(residual.grad().shape() == residual.shape());
  const Variable<float> grouped = conv2d(x, Variable<float>(normal_tensor({3, 3, 2, 6}, 8)), {}, {.groups = 2});
  CHECK(grouped.saved_reduced() == nullptr);
}

TEST_CASE("mixed precision: a value that is changed in place is float from then on") {
  const PrecisionGuard guard(Precision::bfloat16);
  Variable<float> y =
      conv2d(Variable<float>(normal_tensor({1, 4, 4, 3}, 9)), Variable<float>(normal_tensor({1, 1, 3, 5}, 10)));
  y.mutable_value().fill(0.123f);
  CHECK(y.saved_reduced() == nullptr);
  CHECK(y.value().data()[3] == 0.123f);
}

TEST_CASE("mixed precision: the guard is one thread's and one scope's, and double never changes") {
  CHECK(active_precision() == Precision::float32);
  {
    const PrecisionGuard outer(Precision::bfloat16);
    {
      const PrecisionGuard inner(Precision::float32);
      CHECK(active_precision() == Precision::float32);
    }
    CHECK(active_precision() == Precision::bfloat16);
    const Variable<double> y = conv2d(Variable<double>(full<double>({1, 3, 3, 2}, 1.0 / 3)),
                                      Variable<double>(full<double>({1, 1, 2, 4}, 1.0)));
    CHECK(y.value().data()[0] == Approx(2.0 / 3).epsilon(1e-15));
  }
  CHECK(active_precision() == Precision::float32);
  CHECK(precision_named("bfloat16") == Precision::bfloat16);
  CHECK(precision_named("float32") == Precision::float32);
  CHECK(precision_named("auto") == fastest_precision());
  CHECK_THROWS_WITH(precision_named("half"), "precision: 'half', expected auto, float32 or bfloat16");
}

}  // namespace
