// SPDX-License-Identifier: MIT
// Mixed precision on the tape: values and gradients in bfloat16 between convolutions, float for everybody else.
#include <cmath>
#include <cstdint>
#include <utility>
#include <vector>

#include "contexture/autograd/conv.hpp"
#include "contexture/autograd/elementwise.hpp"
#include "contexture/autograd/linear.hpp"
#include "contexture/autograd/loss.hpp"
#include "contexture/autograd/norm.hpp"
#include "contexture/autograd/pool.hpp"
#include "contexture/autograd/shape.hpp"
#include "contexture/core/cpu.hpp"
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

// A convolution and its batch-norm, as two ops or as one.
struct Pair {
  Variable<float> x{normal_tensor({5, 9, 9, 20}, 21), true}, weight{normal_tensor({3, 3, 20, 24}, 22, 0.1f), true};
  Variable<float> gamma{normal_tensor({24}, 23), true}, beta{normal_tensor({24}, 24), true};
  Variable<float> residual{normal_tensor({5, 5, 5, 24}, 25), true};
  Tensor<float> mean = normal_tensor({24}, 26), variance = full<float>({24}, 1.7f);
  Conv2dOptions conv{.stride = 2, .padding = 1};
  BatchNormOptions norm{.relu = true};

  Variable<float> apart() {
    return batch_norm(conv2d(x, weight, {}, conv), gamma, beta, mean, variance, norm, residual);
  }
  Variable<float> together() {
    return conv2d_batch_norm(x, weight, conv, {gamma, beta, mean, variance, norm, residual});
  }
};

TEST_CASE("conv2d_batch_norm: in float the bits of the two ops, in training and in evaluation") {
  for (const bool training : {true, false})
    for (const bool recorded : {true, false}) {
      INFO("training " << training << ", recorded " << recorded);
      Pair a, b;
      a.norm.training = b.norm.training = training;
      Variable<float> apart, together;
      if (recorded) {
        apart = a.apart(), together = b.together();
        apart.backward(normal_tensor(apart.shape(), 27));
        together.backward(normal_tensor(together.shape(), 27));
        for (const auto& [got, want] : {std::pair{&b.x, &a.x},
                                        {&b.weight, &a.weight},
                                        {&b.gamma, &a.gamma},
                                        {&b.beta, &a.beta},
                                        {&b.residual, &a.residual}})
          CHECK(relative_difference(got->grad(), want->grad()) == 0);
      } else {
        const NoGrad no_grad;
        apart = a.apart(), together = b.together();
      }
      CHECK(relative_difference(together.value(), apart.value()) == 0);
      CHECK(relative_difference(b.mean, a.mean) == 0);
      CHECK(relative_difference(b.variance, a.variance) == 0);
    }
}

TEST_CASE("conv2d_batch_norm: in bfloat16 the two ops' results, and in evaluation rounded once only") {
  const Bfloat16Unit before = active_bfloat16_unit();
  for (const Bfloat16Unit unit : {Bfloat16Unit::emulated, Bfloat16Unit::emulated_amx}) {
    set_bfloat16_unit(unit);
    INFO(to_string(unit));
    Pair exact, a, b;
    const PrecisionGuard guard(Precision::bfloat16);
    const Variable<float> apart = a.apart(), together = b.together();
    CHECK(together.saved_reduced() != nullptr);
    CHECK(relative_difference(together.value(), apart.value()) < 1e-3);
    CHECK(relative_difference(b.mean, a.mean) < 1e-6);
    CHECK(relative_difference(b.variance, a.variance) < 1e-5);
    apart.backward(normal_tensor(apart.shape(), 27));
    together.backward(normal_tensor(together.shape(), 27));
    CHECK(relative_difference(b.x.grad(), a.x.grad()) < 0.01);
    CHECK(relative_difference(b.weight.grad(), a.weight.grad()) < 0.01);

    exact.norm.training = a.norm.training = b.norm.training = false;
    exact.mean = a.mean = b.mean;
    exact.variance = a.variance = b.variance;
    const NoGrad no_grad;
    Variable<float> want;
    {
      const PrecisionGuard full_precision(Precision::float32);
      want = exact.apart();
    }
    const double once = relative_difference(b.together().value(), want.value());
    const double twice = relative_difference(a.apart().value(), want.value());
    CHECK(once < 0.005);
    if (unit == Bfloat16Unit::emulated_amx)
      CHECK(once < twice);
    else
      CHECK(once == twice);
  }
  set_bfloat16_unit(before);
}

TEST_CASE("conv2d_batch_norm: refuses what the two ops refuse") {
  Pair p;
  p.norm.training = false;
  const NoGrad no_grad;
  p.residual = Variable<float>(normal_tensor({5, 5, 5, 23}, 25));
  CHECK_THROWS_WITH(p.together(), Catch::Matchers::ContainsSubstring("batch_norm: residual"));
  p.residual = {};
  p.mean = zeros<float>({23});
  CHECK_THROWS_WITH(p.together(), Catch::Matchers::ContainsSubstring("running statistics have 23"));
}

TEST_CASE("mixed precision: a gradient that is there already gets a convolution's in the same place") {
  const Bfloat16Unit before = active_bfloat16_unit();
  for (const Bfloat16Unit unit : {Bfloat16Unit::emulated, Bfloat16Unit::emulated_amx}) {
    set_bfloat16_unit(unit);
    INFO(to_string(unit));
    Variable<float> x(normal_tensor({5, 9, 9, 20}, 31), true), y(x.value(), true);
    const Variable<float> w(normal_tensor({3, 3, 20, 20}, 32, 0.1f)), v(normal_tensor({1, 1, 20, 20}, 33));
    const auto results = [&](const Variable<float>& of) {
      const PrecisionGuard guard(Precision::bfloat16);
      const Variable<float> stem = conv2d(of, v);  // in bfloat16, with two uses
      return add(conv2d(stem, w, {}, {.padding = 1}), conv2d(stem, v));
    };
    results(x).backward(normal_tensor(x.shape(), 34));
    const Variable<float> stem = conv2d(y, v);
    add(conv2d(stem, w, {}, {.padding = 1}), conv2d(stem, v)).backward(normal_tensor(x.shape(), 34));
    CHECK(relative_difference(x.grad(), y.grad()) < 0.01);
  }
  set_bfloat16_unit(before);
}

TEST_CASE("mixed precision: a hidden linear layer is computed as convolutions are, an answer is not") {
  const Variable<float> x(normal_tensor({37, 50}, 41), true), w(normal_tensor({50, 33}, 42), true),
      b(normal_tensor({33}, 43), true);
  const Variable<float> x16(x.value(), true), w16(w.value(), true), b16(b.value(), true);
  const Variable<float> want = linear(x, w, b);
  const PrecisionGuard guard(Precision::bfloat16);
  CHECK(linear(x16, w16, b16).saved_reduced() == nullptr);
  const Variable<float> got = linear(x16, w16, b16, {.hidden = true});
  CHECK(got.saved_reduced() != nullptr);
  CHECK(got.shape() == want.shape());
  CHECK(relative_difference(got.value(), want.value()) < 0.01);
  want.backward(normal_tensor(want.shape(), 44));
  got.backward(normal_tensor(want.shape(), 44));
  CHECK(relative_difference(x16.grad(), x.grad()) < 0.01);
  CHECK(relative_difference(w16.grad(), w.grad()) < 0.01);
  CHECK(relative_difference(b16.grad(), b.grad()) < 0.01);
  CHECK_THROWS_WITH(linear(x, w, x, {.hidden = true}), Catch::Matchers::ContainsSubstring("linear: bias"));
}

TEST_CASE("mixed precision: sums of rows are those of the stored rows, in float") {
  const Variable<float> x(normal_tensor({7, 24}, 1));
  const Variable<float> weight(normal_tensor({24, 40}, 2), true);
  const std::vector<std::int32_t> first{6, 0, 6, 2}, second{1, 1, 5, 0};
  const auto loss_of = [&](const Variable<float>& sums) { return mean(mul(sums, sums)); };
  const PrecisionGuard guard(Precision::bfloat16);
  const auto hidden = [&] { return linear(x, weight, {}, {.hidden = true}); };
  REQUIRE(hidden().saved_reduced() != nullptr);
  const Variable<float> fused = add_rows(hidden(), first, hidden(), second);
  const Variable<float> apart = add(gather_rows(hidden(), first), gather_rows(hidden(), second));
  CHECK(fused.saved_reduced() == nullptr);
  CHECK(fused.value() == apart.value());
  loss_of(fused).backward();
  const Tensor<float> gradient = weight.grad();
  Variable<float>(weight).zero_grad();
  loss_of(apart).backward();
  CHECK(gradient == weight.grad());
}

}  // namespace
