// SPDX-License-Identifier: MIT
// The edges of what numbers can be: logits of 10,000, channels without variance, a single image and none, zeros, and
// numbers too small to have all their digits. Values against what they are by hand, gradients against differences.
#include <cmath>
#include <limits>
#include <vector>

#include "contexture/autograd/autograd.hpp"
#include "contexture/autograd/gradcheck.hpp"
#include "support/catch.hpp"

using namespace contexture;

namespace {

using EdgeInputs = std::span<const Variable<double>>;
using Op = std::function<Variable<double>(EdgeInputs)>;

Variable<double> filled(const Shape& shape, double value) { return Variable<double>(full<double>(shape, value), true); }

Variable<double> drawn(const Shape& shape, std::uint64_t seed, double scale = 1) {
  Rng rng(seed);
  Tensor<double> t = empty<double>(shape);
  for (double& x : t.storage()) x = scale * static_cast<double>(rng.normal());
  return Variable<double>(std::move(t), true);
}

template <class T>
Variable<T> values(const Shape& shape, const std::vector<T>& list) {
  Tensor<T> t = empty<T>(shape);
  std::copy(list.begin(), list.end(), t.data());
  return Variable<T>(std::move(t), true);
}

template <class T>
std::vector<T> list_of(const Tensor<T>& t) {
  return {t.data(), t.data() + t.size()};
}

template <class T>
bool finite(const Tensor<T>& t) {
  for (std::size_t i = 0; i < t.size(); ++i)
    if (!std::isfinite(t.data()[i])) return false;
  return true;
}

// Training with statistics of its own each time.
Variable<double> normalised(EdgeInputs in, bool relu = false) {
  Tensor<double> mean = zeros<double>({in[0].shape().back()}), variance = full<double>({in[0].shape().back()}, 1.0);
  return batch_norm(in[0], in[1], in[2], mean, variance, {.training = true, .relu = relu});
}

}  // namespace

TEMPLATE_TEST_CASE("cross-entropy of logits of 10,000 either way is exact", "", float, double) {
  using T = TestType;
  const T big = T(1e4);
  const std::vector<std::int32_t> labels{1, 0, 2};
  const auto logits = values<T>({3, 3}, {big, -big, 0, big, -big, -big, -big, -big, -big});
  const Variable<T> loss = softmax_cross_entropy<T>(logits, labels);
  CHECK(static_cast<double>(loss.item()) == Approx((2e4 + 0 + std::log(3.0)) / 3).epsilon(1e-7));
  loss.backward();
  const T third = T(1) / T(3);
  const std::vector<T> expected{third, -third, 0, 0, 0, 0, third * third, third * third, third * third - third};
  for (std::size_t i = 0; i < 9; ++i) CHECK(logits.grad().data()[i] == Approx(expected[i]).margin(1e-7));
  const Variable<T> smoothed = softmax_cross_entropy<T>(logits, labels, {.label_smoothing = 0.3});
  // Row 1: 0.8 of the target 2e4 below, 0.1 on top, 0.1 1e4 below; row 2: 0.1 each on two classes 2e4 below.
  CHECK(static_cast<double>(smoothed.item()) == Approx((0.8 * 2e4 + 0.1 * 1e4 + 0.2 * 2e4 + std::log(3.0)) / 3));
}

TEST_CASE("gradients hold at logits of 10,000") {
  const std::vector<std::int32_t> labels{1, 0, 2};
  const auto logits = values<double>({3, 3}, {1e4, -1e4, 0, 1e4, -1e4, -1e4, 9999, 1e4, 1e4});
  for (const double smoothing : {0.0, 0.1}) {
    const std::string problem = gradcheck(
        [&](EdgeInputs in) { return softmax_cross_entropy<double>(in[0], labels, {.label_smoothing = smoothing}); },
        {logits}, {.step = 1e-3, .full_jacobian = true});
    CHECK(problem == "");
  }
}

TEST_CASE("normalisation of what has no variance gives the offset, and has gradients") {
  const GradcheckOptions small{.step = 5e-6, .tolerance = 1e-4};  // far below sqrt(epsilon), far above rounding
  for (const double level : {0.0, 0.5, -40.0}) {
    CAPTURE(level);
    const Variable<double> x = filled({3, 2, 2, 4}, level), gamma = drawn({4}, 1), beta = drawn({4}, 2);
    const std::vector<Op> ops{[](EdgeInputs in) { return normalised(in); },
                              [](EdgeInputs in) { return layer_norm(in[0], in[1], in[2]); },
                              [](EdgeInputs in) { return group_norm(in[0], in[1], in[2], {.groups = 2}); }};
    for (const Op& op : ops) {
      const Tensor<double> y = op(std::vector{x, gamma, beta}).value();
      for (std::size_t i = 0; i < y.size(); ++i) REQUIRE(y.data()[i] == Approx(beta.value().data()[i % 4]));
      CHECK(gradcheck(op, {x, gamma, beta}, small) == "");
    }
  }
  // One constant channel among others, with the ReLU on its edge or off.
  Variable<double> mixed = drawn({5, 2, 2, 3}, 3);
  for (std::size_t i = 1; i < mixed.size(); i += 3) mixed.mutable_value().data()[i] = 2;
  CHECK(gradcheck([](EdgeInputs in) { return normalised(in, true); },
                  {mixed, filled({3}, 1), values<double>({3}, {0.1, 0.5, -0.2})}, small) == "");
}

TEST_CASE("running statistics of a constant channel are its level and no variance") {
  Tensor<float> mean = zeros<float>({2}), variance = full<float>({2}, 1.0F);
  const auto x = values<float>({3, 2}, {7, 1, 7, 2, 7, 3});
  (void)batch_norm<float>(x, {}, {}, mean, variance, {.training = true, .momentum = 1});
  CHECK(list_of(mean) == std::vector<float>{7, 2});
  CHECK(list_of(variance) == std::vector<float>{0, 1});
  const Tensor<float> y = batch_norm<float>(x, {}, {}, mean, variance, {.training = false}).value();
  for (std::size_t i = 0; i < 6; i += 2) CHECK(y.data()[i] == Approx(0).margin(1e-3));  // 7 * 316 * 6e-8
}

TEST_CASE("every op takes a batch of one image, and has its gradients") {
  const Variable<double> image = drawn({1, 4, 4, 4}, 1), row = drawn({1, 6}, 2);
  const std::vector<std::pair<Op, std::vector<Variable<double>>>> cases{
      {[](EdgeInputs in) { return conv2d(in[0], in[1], in[2], {.padding = 1}); },
       {image, drawn({3, 3, 4, 2}, 3), drawn({2}, 4)}},
      {[](EdgeInputs in) { return normalised(in); }, {image, drawn({4}, 3), drawn({4}, 4)}},
      {[](EdgeInputs in) { return layer_norm(in[0], in[1], in[2]); }, {image, drawn({4}, 3), drawn({4}, 4)}},
      {[](EdgeInputs in) { return group_norm(in[0], in[1], in[2], {.groups = 4}); },
       {image, drawn({4}, 3), drawn({4}, 4)}},
      {[](EdgeInputs in) { return max_pool2d(in[0]); }, {image}},
      {[](EdgeInputs in) { return avg_pool2d(in[0]); }, {image}},
      {[](EdgeInputs in) { return global_avg_pool(in[0]); }, {image}},
      {[](EdgeInputs in) { return linear(in[0], in[1], in[2]); }, {row, drawn({6, 3}, 3), drawn({3}, 4)}},
      {[](EdgeInputs in) { return normalize_rows(in[0]); }, {row}},
      {[](EdgeInputs in) { return softmax_cross_entropy<double>(in[0], std::vector<std::int32_t>{4}); }, {row}},
  };
  for (const auto& [op, inputs] : cases) CHECK(gradcheck(op, inputs) == "");
  // One value a channel has no variance to train on.
  CHECK_THROWS_AS(normalised(std::vector{drawn({1, 1, 1, 4}, 1), filled({4}, 1), filled({4}, 0)}),
                  std::invalid_argument);
}

TEMPLATE_TEST_CASE("an empty batch goes through every op and back, or is refused by name", "", float, double) {
  using T = TestType;
  const auto weight_of = [](const Shape& shape) { return Variable<T>(full<T>(shape, T(1)), true); };
  const Variable<T> images(empty<T>({0, 4, 4, 2}), true), rows(empty<T>({0, 3}), true);
  const Variable<T> kernel = weight_of({3, 3, 2, 5}), matrix = weight_of({3, 4}), two = weight_of({2}),
                    bias = weight_of({4});
  const std::vector<std::pair<Variable<T>, Shape>> results{
      {conv2d(images, kernel), {0, 2, 2, 5}},
      {relu(images), {0, 4, 4, 2}},
      {gelu(images), {0, 4, 4, 2}},
      {add(images, images), {0, 4, 4, 2}},
      {mul(images, images), {0, 4, 4, 2}},
      {scale(images, T(2)), {0, 4, 4, 2}},
      {dropout(images, 0.5F, Rng(1)), {0, 4, 4, 2}},
      {max_pool2d(images), {0, 2, 2, 2}},
      {avg_pool2d(images), {0, 2, 2, 2}},
      {global_avg_pool(images), {0, 2}},
      {layer_norm(images, two, two), {0, 4, 4, 2}},
      {group_norm(images, two, two), {0, 4, 4, 2}},
      {linear(rows, matrix, bias), {0, 4}},
      {normalize_rows(rows), {0, 3}},
      {reshape(images, {0, 32}), {0, 32}},
      {concat({rows, rows}, 0), {0, 3}},
  };
  for (const auto& [result, shape] : results) {
    CHECK(result.shape() == shape);
    const Variable<T> total = sum(result);
    CHECK(total.item() == 0);
    total.backward();
  }
  CHECK(images.grad().shape() == Shape{0, 4, 4, 2});
  for (const Variable<T>* of : {&kernel, &matrix, &bias, &two})  // nothing to learn from is no gradient
    for (const T g : of->grad().storage()) CHECK(g == 0);
  CHECK_THROWS_WITH(mean(rows), Catch::Matchers::ContainsSubstring("mean: empty"));
  CHECK_THROWS_WITH(
      softmax_cross_entropy<T>(rows, std::vector<std::int32_t>{}),
      Catch::Matchers::ContainsSubstring("softmax_cross_entropy") && Catch::Matchers::ContainsSubstring("N >= 1"));
  Tensor<T> moments = full<T>({2}, T(1));
  CHECK_THROWS_WITH(batch_norm(images, two, two, moments, moments, {.training = true}),
                    Catch::Matchers::ContainsSubstring("batch_norm"));
}

TEST_CASE("rows of zeros keep length 0 when normalised, and pass their gradient on") {
  const Variable<double> x = filled({2, 3}, 0);
  const Variable<double> y = normalize_rows(x, 0.5);
  CHECK(list_of(y.value()) == std::vector<double>(6, 0));
  CHECK(gradcheck([](EdgeInputs in) { return normalize_rows(in[0], 0.5); }, {x}, {.full_jacobian = true}) == "");
}

TEMPLATE_TEST_CASE("numbers too small for all their digits are computed, not flushed", "", float, double) {
  using T = TestType;
  const T least = std::numeric_limits<T>::denorm_min(), normal = std::numeric_limits<T>::min();
  const std::vector<T> tiny{least, -least, 3 * least, normal / 2, -normal / 4, 0};
  const auto x = values<T>({1, 6}, tiny);
  const auto times = [&](T factor) {
    std::vector<T> out;
    for (const T v : tiny) out.push_back(v * factor);
    return out;
  };
  CHECK(list_of(add(x, x).value()) == times(2));
  CHECK(list_of(scale(x, T(-4)).value()) == times(-4));
  const std::vector<T> clipped = list_of(relu(x).value());
  for (std::size_t i = 0; i < 6; ++i) CHECK(clipped[i] == std::max(tiny[i], T(0)));
  Tensor<T> eye = zeros<T>({6, 6});
  for (std::size_t i = 0; i < 6; ++i) eye.data()[7 * i] = 1;
  CHECK(list_of(linear(x, Variable<T>(eye)).value()) == tiny);
  // A softmax of differences that are none is even; the variance is far below epsilon, and the mean exact.
  CHECK(static_cast<double>(softmax_cross_entropy<T>(x, std::vector<std::int32_t>{2}).item()) == Approx(std::log(6.0)));
  const Variable<T> y = layer_norm(x);
  CHECK(finite(y.value()));
  for (const T v : y.value().storage()) CHECK(std::abs(v) <= 400 * normal);
  const Variable<T> gradient_of = mul(x, x);
  sum(scale(gradient_of, T(1) / normal)).backward();
  for (std::size_t i = 0; i < 6; ++i) CHECK(x.grad().data()[i] == Approx(2 * tiny[i] / normal).margin(0));
}
