// SPDX-License-Identifier: MIT
// Operators with broadcasting, functions, reductions along axes, matrix products, and losses made of them: gradients
// against finite differences, values against plain loops.
#include <cmath>
#include <functional>
#include <string>
#include <vector>

#include "contexture/autograd/autograd.hpp"
#include "contexture/autograd/gradcheck.hpp"
#include "contexture/core/precision.hpp"
#include "support/catch.hpp"
#include "support/tensors.hpp"

using namespace contexture;

namespace {

using Operands = std::span<const Variable<double>>;
using Op = std::function<Variable<double>(Operands)>;

Variable<double> operand(const Shape& shape, std::uint64_t seed) {
  return Variable<double>(tensors::random_tensor<double>(shape, seed), true);
}

// From 0.5 on: where log, sqrt and division are smooth.
Variable<double> positive_operand(const Shape& shape, std::uint64_t seed) {
  Variable<double> v = operand(shape, seed);
  for (double& x : v.mutable_value().storage()) x = 0.5 + std::abs(x);
  return v;
}

const GradcheckOptions kEveryEntry{.full_jacobian = true};

// a(i) where the index counts through `shape` and a has 1, or no axis, where it is repeated.
double element(const Tensor<double>& a, const std::vector<std::size_t>& index) {
  std::size_t at = 0;
  const std::size_t missing = index.size() - a.dimension();
  for (std::size_t i = 0; i < a.dimension(); ++i) at = at * a.shape()[i] + (a.shape()[i] == 1 ? 0 : index[missing + i]);
  return a.data()[at];
}

}  // namespace

TEST_CASE("operators broadcast: values and gradients") {
  const std::vector<std::pair<Shape, Shape>> shapes = {
      {{3, 4}, {3, 4}},          {{3, 4}, {4}}, {{4}, {3, 4}},          {{3, 4}, {3, 1}},
      {{3, 1}, {1, 4}},          {{}, {2, 3}},  {{2, 3}, {}},           {{2, 3, 4}, {3, 1}},
      {{2, 1, 4}, {5, 1}},       {{1}, {1, 1}}, {{2, 3, 4}, {2, 1, 4}}, {{2, 3, 4}, {1, 3, 4}},
      {{2, 3, 1, 2}, {3, 5, 1}}, {{0, 3}, {3}}};
  for (const auto& [sa, sb] : shapes) {
    CAPTURE(sa, sb);
    const Variable<double> a = operand(sa, 1), b = positive_operand(sb, 2);
    const std::vector<std::pair<Op, std::function<double(double, double)>>> ops = {
        {[](Operands in) { return in[0] + in[1]; }, [](double x, double y) { return x + y; }},
        {[](Operands in) { return in[0] - in[1]; }, [](double x, double y) { return x - y; }},
        {[](Operands in) { return in[0] * in[1]; }, [](double x, double y) { return x * y; }},
        {[](Operands in) { return in[0] / in[1]; }, [](double x, double y) { return x / y; }}};
    for (const auto& [op, expected] : ops) {
      const std::vector<Variable<double>> operands{a, b};
      const Variable<double> y = op(operands);
      std::vector<std::size_t> index(y.shape().size(), 0);
      for (std::size_t i = 0; i < y.size(); ++i) {
        std::size_t rest = i;
        for (std::size_t k = index.size(); k-- > 0; rest /= y.shape()[k]) index[k] = rest % y.shape()[k];
        CHECK(y.value().data()[i] == expected(element(a.value(), index), element(b.value(), index)));
      }
      if (y.size() > 0) CHECK(gradcheck(op, {a, b}, kEveryEntry) == "");
    }
  }
  CHECK((operand({2, 1}, 1) + operand({3}, 1)).shape() == Shape{2, 3});
  CHECK_THROWS_AS(operand({2, 3}, 1) + operand({2}, 1), std::invalid_argument);
  CHECK_THROWS_AS(operand({2, 3}, 1) * operand({2, 2}, 1), std::invalid_argument);
}

TEST_CASE("operators with numbers") {
  const Variable<double> x = positive_operand({2, 3}, 1);
  const std::vector<std::pair<Op, std::function<double(double)>>> ops = {
      {[](Operands in) { return in[0] + 2; }, [](double v) { return v + 2; }},
      {[](Operands in) { return 2 + in[0]; }, [](double v) { return 2 + v; }},
      {[](Operands in) { return in[0] - 2; }, [](double v) { return v - 2; }},
      {[](Operands in) { return 2 - in[0]; }, [](double v) { return 2 - v; }},
      {[](Operands in) { return in[0] * 3; }, [](double v) { return v * 3; }},
      {[](Operands in) { return 3 * in[0]; }, [](double v) { return 3 * v; }},
      {[](Operands in) { return in[0] / 4; }, [](double v) { return v / 4; }},
      {[](Operands in) { return 4 / in[0]; }, [](double v) { return 4 / v; }},
      {[](Operands in) { return -in[0]; }, [](double v) { return -v; }}};
  for (const auto& [op, expected] : ops) {
    const std::vector<Variable<double>> operands{x};
    const Variable<double> y = op(operands);
    for (std::size_t i = 0; i < y.size(); ++i) CHECK(y.value().data()[i] == expected(x.value().data()[i]));
    CHECK(gradcheck(op, {x}, kEveryEntry) == "");
  }
}

TEST_CASE("functions: values and gradients") {
  const std::vector<std::pair<Op, std::function<double(double)>>> anywhere = {
      {[](Operands in) { return exp(in[0]); }, [](double v) { return std::exp(v); }},
      {[](Operands in) { return sigmoid(in[0]); }, [](double v) { return 1 / (1 + std::exp(-v)); }},
      {[](Operands in) { return tanh(in[0]); }, [](double v) { return std::tanh(v); }},
      {[](Operands in) { return silu(in[0]); }, [](double v) { return v / (1 + std::exp(-v)); }},
      {[](Operands in) { return pow(in[0], 3); }, [](double v) { return v * v * v; }},
      {[](Operands in) { return pow(in[0], 0); }, [](double) { return 1.0; }},
      {[](Operands in) { return clamp(in[0], -0.4, 0.3); }, [](double v) { return std::min(std::max(v, -0.4), 0.3); }},
      {[](Operands in) { return abs(in[0]); }, [](double v) { return std::abs(v); }}};
  const std::vector<std::pair<Op, std::function<double(double)>>> positive = {
      {[](Operands in) { return log(in[0]); }, [](double v) { return std::log(v); }},
      {[](Operands in) { return sqrt(in[0]); }, [](double v) { return std::sqrt(v); }},
      {[](Operands in) { return pow(in[0], -1.5); }, [](double v) { return std::pow(v, -1.5); }}};
  const auto check = [](const auto& ops, const Variable<double>& x) {
    for (const auto& [op, expected] : ops) {
      const std::vector<Variable<double>> operands{x};
      const Variable<double> y = op(operands);
      for (std::size_t i = 0; i < y.size(); ++i)
        CHECK(y.value().data()[i] == Approx(expected(x.value().data()[i])).epsilon(1e-14).margin(1e-14));
      CHECK(gradcheck(op, {x}, kEveryEntry) == "");
    }
  };
  check(anywhere, operand({3, 5}, 4));
  check(positive, positive_operand({3, 5}, 5));

  Variable<float> far(tensor_of<float>({4}, std::vector<float>{-1e4F, -100, 100, 1e4F}), true);
  CHECK(sigmoid(far).value() == tensor_of<float>({4}, std::vector<float>{0, std::exp(-100.0F), 1, 1}));
  sum(silu(far)).backward();
  CHECK(far.grad().data()[0] == 0);
  CHECK(far.grad().data()[3] == 1);
  CHECK_THROWS_AS(clamp(far, 1, 0), std::invalid_argument);
}

TEST_CASE("sums, means and maxima along axes") {
  const Variable<double> x = operand({2, 3, 4}, 1);
  const auto at = [&](std::size_t i, std::size_t j, std::size_t k) { return x.value().data()[(i * 3 + j) * 4 + k]; };
  const Variable<double> s = sum(x, {1}), m = mean(x, {0, -1}), largest = max(x, {2}, true);
  CHECK(s.shape() == Shape{2, 4});
  CHECK(m.shape() == Shape{3});
  CHECK(largest.shape() == Shape{2, 3, 1});
  for (std::size_t i = 0; i < 2; ++i)
    for (std::size_t k = 0; k < 4; ++k)
      CHECK(s.value().data()[i * 4 + k] == Approx(at(i, 0, k) + at(i, 1, k) + at(i, 2, k)));
  for (std::size_t j = 0; j < 3; ++j) {
    double total = 0;
    for (std::size_t i = 0; i < 2; ++i)
      for (std::size_t k = 0; k < 4; ++k) total += at(i, j, k);
    CHECK(m.value().data()[j] == Approx(total / 8));
    CHECK(largest.value().data()[j] == std::max({at(0, j, 0), at(0, j, 1), at(0, j, 2), at(0, j, 3)}));
  }
  for (const bool keep : {false, true}) {
    CHECK(gradcheck([=](Operands in) { return sum(in[0], {0, 2}, keep); }, {x}, kEveryEntry) == "");
    CHECK(gradcheck([=](Operands in) { return mean(in[0], {1}, keep); }, {x}, kEveryEntry) == "");
    CHECK(gradcheck([=](Operands in) { return max(in[0], {0, 1}, keep); }, {x}, kEveryEntry) == "");
    CHECK(gradcheck([=](Operands in) { return sum(in[0], {0, 1, 2}, keep); }, {x}, kEveryEntry) == "");
    CHECK(gradcheck([=](Operands in) { return sum(in[0], {}, keep); }, {x}, kEveryEntry) == "");
  }
  // Two that are the largest share the gradient, as with PyTorch's amax.
  Variable<double> tie(tensor_of<double>({4}, std::vector<double>{1, 5, 5, 0}), true);
  max(tie, {0}).backward();
  CHECK(tie.grad() == tensor_of<double>({4}, std::vector<double>{0, 0.5, 0.5, 0}));
  const double nan = std::nan("");
  for (const std::vector<double>& numbers : std::vector<std::vector<double>>{{nan, 1, 2}, {1, nan, 2}, {1, 2, nan}})
    CHECK(std::isnan(max(Variable<double>(tensor_of<double>({3}, numbers)), {0}).value().data()[0]));
  CHECK_THROWS_AS(sum(x, {3}), std::invalid_argument);
  CHECK_THROWS_AS(sum(x, {1, -2}), std::invalid_argument);
  CHECK_THROWS_AS(mean(operand({0, 2}, 1), {0}), std::invalid_argument);
  CHECK(sum(operand({0, 2}, 1), {0}).value() == zeros<double>({2}));
  // Summed in double: a million times 0.1F, and then some.
  CHECK(sum(Variable<float>(full<float>({1'000'000, 1}, 0.1F)), {0}).value().data()[0] ==
        Approx(100'000.0015).epsilon(1e-7));
}

TEST_CASE("softmax and log-softmax along every axis") {
  const Variable<double> x = operand({2, 3, 4}, 1);
  for (const int axis : {0, 1, 2, -1}) {
    CAPTURE(axis);
    const Variable<double> p = softmax(x, axis), logs = log_softmax(x, axis);
    const Variable<double> totals = sum(p, {axis});
    for (const double total : totals.value().storage()) CHECK(total == Approx(1).epsilon(1e-14));
    for (std::size_t i = 0; i < p.size(); ++i) CHECK(std::log(p.value().data()[i]) == Approx(logs.value().data()[i]));
    CHECK(gradcheck([=](Operands in) { return softmax(in[0], axis); }, {x}, kEveryEntry) == "");
    CHECK(gradcheck([=](Operands in) { return log_softmax(in[0], axis); }, {x}, kEveryEntry) == "");
  }
  const Variable<float> far(tensor_of<float>({2}, std::vector<float>{1e4F, -1e4F}));
  CHECK(softmax(far).value() == tensor_of<float>({2}, std::vector<float>{1, 0}));
  CHECK(log_softmax(far).value() == tensor_of<float>({2}, std::vector<float>{0, -2e4F}));
  // Rounded as differences are, not as the numbers themselves, which are far from 0.
  const Variable<float> close(tensor_of<float>({3}, std::vector<float>{1000, 999.5F, 998}));
  const double log_total = std::log(1 + std::exp(-0.5) + std::exp(-2.0));
  const Tensor<float> logs = log_softmax(close).value();
  for (std::size_t i = 0; i < 3; ++i)
    CHECK(logs.data()[i] == Approx(close.value().data()[i] - 1000.0 - log_total).epsilon(2e-7));
}

TEST_CASE("matmul: one, many, and one with many") {
  const std::vector<std::pair<Shape, Shape>> shapes = {
      {{3, 4}, {4, 2}},    {{2, 3, 4}, {2, 4, 5}},       {{2, 3, 4}, {4, 5}},
      {{3, 4}, {2, 4, 5}}, {{2, 2, 3, 4}, {2, 2, 4, 1}}, {{2, 2, 3, 4}, {4, 1}},
      {{3, 1}, {1, 3}}};
  for (const auto& [sa, sb] : shapes) {
    CAPTURE(sa, sb);
    const Variable<double> a = operand(sa, 1), b = operand(sb, 2), y = matmul(a, b);
    const std::size_t m = sa[sa.size() - 2], k = sa.back(), n = sb.back(), batch = y.size() / (m * n);
    for (std::size_t i = 0; i < y.size(); ++i) {
      const std::size_t which = i / (m * n), row = i / n % m, column = i % n;
      const double* const left = a.value().data() + (sa.size() > 2 ? which * m * k : 0);
      const double* const right = b.value().data() + (sb.size() > 2 ? which * k * n : 0);
      double expected = 0;
      for (std::size_t j = 0; j < k; ++j) expected += left[row * k + j] * right[j * n + column];
      CHECK(y.value().data()[i] == Approx(expected).margin(1e-14));
    }
    CHECK(batch == std::max<std::size_t>(1, element_count(y.shape()) / (m * n)));
    CHECK(gradcheck([](Operands in) { return matmul(in[0], in[1]); }, {a, b}, kEveryEntry) == "");
  }
  CHECK_THROWS_AS(matmul(operand({2, 3}, 1), operand({2, 3}, 1)), std::invalid_argument);
  CHECK_THROWS_AS(matmul(operand({2, 2, 3}, 1), operand({3, 3, 2}, 1)), std::invalid_argument);
  CHECK_THROWS_AS(matmul(operand({3}, 1), operand({3, 2}, 1)), std::invalid_argument);
}

TEST_CASE("permute, transpose, slice, stack and select") {
  const Variable<double> x = operand({2, 3, 4}, 1);
  const Variable<double> p = permute(x, {2, 0, 1});
  CHECK(p.shape() == Shape{4, 2, 3});
  for (std::size_t i = 0; i < 2; ++i)
    for (std::size_t j = 0; j < 3; ++j)
      for (std::size_t k = 0; k < 4; ++k)
        CHECK(p.value().data()[(k * 2 + i) * 3 + j] == x.value().data()[(i * 3 + j) * 4 + k]);
  CHECK(permute(p, {1, 2, 0}).value() == x.value());
  CHECK(transpose(x).value() == permute(x, {0, 2, 1}).value());
  for (const std::vector<int>& axes :
       std::vector<std::vector<int>>{{0, 1, 2}, {0, 2, 1}, {1, 0, 2}, {2, 1, 0}, {-1, 0, 1}})
    CHECK(gradcheck([&](Operands in) { return permute(in[0], std::span<const int>(axes)); }, {x}, kEveryEntry) == "");
  CHECK_THROWS_AS(permute(x, {0, 1}), std::invalid_argument);
  CHECK_THROWS_AS(permute(x, {0, 1, 1}), std::invalid_argument);
  CHECK_THROWS_AS(transpose(operand({3}, 1)), std::invalid_argument);

  CHECK(slice(x, 1, 1, -1).shape() == Shape{2, 1, 4});
  CHECK(slice(x, 1, 1, 2).value() == slice(x, -2, -2, -1).value());
  CHECK(slice(x, 0, 1, 2).value().data()[0] == x.value().data()[12]);
  for (const int axis : {0, 1, 2})
    CHECK(gradcheck([=](Operands in) { return slice(in[0], axis, 1, 2); }, {x}, kEveryEntry) == "");
  CHECK_THROWS_AS(slice(x, 0, 1, 3), std::invalid_argument);
  CHECK_THROWS_AS(slice(x, 0, 2, 1), std::invalid_argument);

  const Variable<double> y = operand({2, 3, 4}, 2);
  CHECK(stack({x, y}, 0).shape() == Shape{2, 2, 3, 4});
  CHECK(stack({x, y}, -1).shape() == Shape{2, 3, 4, 2});
  CHECK(slice(stack({x, y}, 1), 1, 1, 2).value().data()[0] == y.value().data()[0]);
  for (const int axis : {0, 1, 3, -1})
    CHECK(gradcheck([=](Operands in) { return stack({in[0], in[1]}, axis); }, {x, y}, kEveryEntry) == "");
  CHECK_THROWS_AS(stack({x, operand({2, 3}, 1)}, 0), std::invalid_argument);
  CHECK_THROWS_AS(stack({x, y}, 4), std::invalid_argument);

  Tensor<std::uint8_t> mask = zeros<std::uint8_t>({2, 3, 4});
  mask.data()[5] = 1;
  mask.data()[7] = 255;
  const Variable<double> chosen = select(mask, x, y);
  for (std::size_t i = 0; i < chosen.size(); ++i)
    CHECK(chosen.value().data()[i] == (i == 5 || i == 7 ? x : y).value().data()[i]);
  CHECK(gradcheck([&](Operands in) { return select(mask, in[0], in[1]); }, {x, y}, kEveryEntry) == "");
  Variable<double> nan(full<double>({2, 3, 4}, std::nan("")), true), good = operand({2, 3, 4}, 3);
  sum(select(zeros<std::uint8_t>({2, 3, 4}), nan, good)).backward();
  CHECK(nan.grad() == zeros<double>({2, 3, 4}));
}

TEST_CASE("upsampling and transposed convolution") {
  const Variable<double> x = operand({2, 3, 2, 2}, 1);
  const Variable<double> large = upsample2d(x, 3);
  CHECK(large.shape() == Shape{2, 9, 6, 2});
  CHECK(avg_pool2d(large, {.kernel = 3}).value().data()[7] == Approx(x.value().data()[7]));
  CHECK(gradcheck([](Operands in) { return upsample2d(in[0], 3); }, {x}, kEveryEntry) == "");

  std::uint64_t seed = 10;
  for (const Index stride : {1, 2, 3})
    for (const Index padding : {0, 1})
      for (const Index groups : {1, 2})
        for (const Index extra : {Index{0}, stride - 1}) {
          CAPTURE(stride, padding, groups, extra);
          const Conv2dOptions options{.stride = stride, .padding = padding, .groups = groups};
          const Variable<double> in = operand({2, 3, 4, 4}, ++seed),
                                 w = operand({3, 3, 6 / static_cast<std::size_t>(groups), 4}, ++seed);
          const Variable<double> bias = operand({6}, ++seed), y = conv_transpose2d(in, w, bias, options, extra);
          // The adjoint of conv2d: <conv(u), x> = <u, conv_transpose(x)>.
          const Variable<double> u = operand(y.shape(), ++seed), forward = conv2d(u, w, {}, options);
          REQUIRE(forward.shape() == in.shape());
          CHECK(sum(forward * in).value().data()[0] == Approx(sum(u * (y - bias)).value().data()[0]).margin(1e-10));
          CHECK(gradcheck([=](Operands v) { return conv_transpose2d(v[0], v[1], v[2], options, extra); },
                          {in, w, bias}) == "");
        }
}

TEST_CASE("a transposed convolution refuses what does not fit, at the bounds exactly") {
  const Variable<double> x = operand({1, 2, 2, 4}, 1), weight = operand({3, 3, 2, 4}, 2);
  const auto refused = [&](const Conv2dOptions& options, Index extra, const std::string& words) {
    CAPTURE(words);
    CHECK_THROWS_WITH(conv_transpose2d(x, weight, {}, options, extra), Catch::Matchers::ContainsSubstring(words));
  };
  refused({.stride = 0}, 0, "stride 0");
  refused({.padding = -1}, 0, "padding -1");
  refused({.dilation = 0}, 0, "dilation 0");
  refused({.groups = 0}, 0, "groups 0");
  refused({}, -1, "extra -1");
  refused({}, 1, "extra 1");
  refused({.groups = 3}, 0, "groups 3");  // of 4 channels
  CHECK_THROWS_WITH(conv_transpose2d(operand({1, 2, 2, 3}, 1), weight),
                    Catch::Matchers::ContainsSubstring("input (1,2,2,3) does not fit weight (3,3,2,4)"));
  CHECK_THROWS_WITH(conv_transpose2d(operand({2, 2, 4}, 1), weight),
                    Catch::Matchers::ContainsSubstring("expected (N,H,W,K)"));
  CHECK_THROWS_WITH(conv_transpose2d(x, operand({3, 2, 4}, 1)), Catch::Matchers::ContainsSubstring("(R,S,C/groups,K)"));

  // An extent of the result is 2 + 2 - 2 * padding along a kernel of 3.
  CHECK(conv_transpose2d(x, weight).shape() == Shape{1, 4, 4, 2});
  CHECK(conv_transpose2d(x, weight, {}, {.padding = 1}).shape() == Shape{1, 2, 2, 2});
  refused({.padding = 2}, 0, "padding 2");
  // Along a kernel of 2 and a padding of 1 it is 1, along one of 1 it would be 0: rows and columns, each by itself.
  CHECK(conv_transpose2d(x, operand({2, 3, 2, 4}, 2), {}, {.padding = 1}).shape() == Shape{1, 1, 2, 2});
  CHECK(conv_transpose2d(x, operand({3, 2, 2, 4}, 2), {}, {.padding = 1}).shape() == Shape{1, 2, 1, 2});
  for (const Shape& kernel : {Shape{1, 3, 2, 4}, Shape{3, 1, 2, 4}})
    CHECK_THROWS_AS(conv_transpose2d(x, operand(kernel, 2), {}, {.padding = 1}), std::invalid_argument);
  CHECK_NOTHROW(conv_transpose2d(x, weight, operand({2}, 3)));
  for (const Shape& bias : {Shape{4}, Shape{1}, Shape{2, 1}})
    CHECK_THROWS_WITH(conv_transpose2d(x, weight, operand(bias, 3)), Catch::Matchers::ContainsSubstring("bias"));
}

TEST_CASE("l1, Huber, binary cross-entropy and triplet losses") {
  const Variable<double> a = operand({4, 3}, 1), b = operand({4, 3}, 2), c = operand({4, 3}, 3);
  double l1 = 0, huber = 0;
  for (std::size_t i = 0; i < 12; ++i) {
    const double d = std::abs(a.value().data()[i] - b.value().data()[i]);
    l1 += d / 12;
    huber += (d <= 0.5 ? d * d / 2 : 0.5 * (d - 0.25)) / 12;
  }
  CHECK(l1_loss(a, b).value().data()[0] == Approx(l1));
  CHECK(huber_loss(a, b, 0.5).value().data()[0] == Approx(huber));
  CHECK(gradcheck([](Operands in) { return l1_loss(in[0], in[1]); }, {a, b}, kEveryEntry) == "");
  CHECK(gradcheck([](Operands in) { return huber_loss(in[0], in[1], 0.5); }, {a, b}, kEveryEntry) == "");
  CHECK_THROWS_AS(huber_loss(a, b, 0), std::invalid_argument);

  Tensor<double> targets = empty<double>({4, 3});
  double entropy = 0;
  for (std::size_t i = 0; i < 12; ++i) {
    targets.data()[i] = static_cast<double>(i) / 11;
    const double p = 1 / (1 + std::exp(-a.value().data()[i]));
    entropy -= (targets.data()[i] * std::log(p) + (1 - targets.data()[i]) * std::log(1 - p)) / 12;
  }
  CHECK(sigmoid_cross_entropy(a, targets).value().data()[0] == Approx(entropy));
  CHECK(gradcheck([&](Operands in) { return sigmoid_cross_entropy(in[0], targets); }, {a}, kEveryEntry) == "");
  const Variable<float> far(tensor_of<float>({2}, std::vector<float>{1e4F, -1e4F}));
  CHECK(sigmoid_cross_entropy(far, tensor_of<float>({2}, std::vector<float>{0, 1})).value().data()[0] == 1e4F);
  CHECK_THROWS_AS(sigmoid_cross_entropy(far, tensor_of<float>({2}, std::vector<float>{0, 2})), std::invalid_argument);

  double triplet = 0;
  for (std::size_t i = 0; i < 4; ++i) {
    double to_b = 0, to_c = 0;
    for (std::size_t k = 3 * i; k < 3 * i + 3; ++k) {
      to_b += std::pow(a.value().data()[k] - b.value().data()[k] + 1e-6, 2);
      to_c += std::pow(a.value().data()[k] - c.value().data()[k] + 1e-6, 2);
    }
    triplet += std::max(std::sqrt(to_b) - std::sqrt(to_c) + 0.3, 0.0) / 4;
  }
  CHECK(triplet_loss(a, b, c, 0.3).value().data()[0] == Approx(triplet));
  CHECK(gradcheck([](Operands in) { return triplet_loss(in[0], in[1], in[2], 0.3); }, {a, b, c}, kEveryEntry) == "");
}

TEST_CASE("arithmetic reads what is stored as bfloat16, and gives it gradients") {
  const PrecisionGuard guard(Precision::bfloat16);
  Variable<float> w(tensors::random_tensor<float>({3, 3, 2, 4}, 1), true);
  const Variable<float> maps =
      conv2d(Variable<float>(tensors::random_tensor<float>({2, 6, 6, 2}, 2)), w, {}, {.padding = 1});
  mean(sigmoid(maps) * maps + sum(maps, {1, 2}, true) / 36).backward();
  REQUIRE(w.has_grad());
  double size = 0;
  for (const float g : w.grad().storage()) size += std::abs(static_cast<double>(g));
  CHECK(size > 0.01);
}
