// SPDX-License-Identifier: MIT
// Layer and group normalisation, and GELU: gradients over all options, values against plain loops in double on every
// instruction set, the same bits with any number of threads.
#include <cmath>
#include <limits>

#include "contexture/autograd/autograd.hpp"
#include "contexture/autograd/gradcheck.hpp"
#include "contexture/core/parallel.hpp"
#include "support/catch.hpp"
#include "support/isa.hpp"
#include "support/tensors.hpp"

using namespace contexture;
using tensors::random_tensor;

namespace {

using Inputs = std::span<const Variable<double>>;

Variable<double> input(const Shape& shape, std::uint64_t seed, double offset = 0) {
  return Variable<double>(random_tensor<double>(shape, seed, offset), true);
}

// (x - mean) / sqrt(variance + 1e-5) over the elements of `x` for which group(i) is the same.
template <class Group>
std::vector<double> normalised(const Tensor<float>& x, std::size_t groups, Group group) {
  std::vector<double> count(groups, 0.0), mean(groups, 0.0), variance(groups, 0.0), out(x.size());
  for (std::size_t i = 0; i < x.size(); ++i) count[group(i)] += 1, mean[group(i)] += static_cast<double>(x.data()[i]);
  for (std::size_t g = 0; g < groups; ++g) mean[g] /= count[g];
  for (std::size_t i = 0; i < x.size(); ++i) {
    const double d = static_cast<double>(x.data()[i]) - mean[group(i)];
    variance[group(i)] += d * d / count[group(i)];
  }
  for (std::size_t i = 0; i < x.size(); ++i)
    out[i] = (static_cast<double>(x.data()[i]) - mean[group(i)]) / std::sqrt(variance[group(i)] + 1e-5);
  return out;
}

double largest_difference(const Tensor<float>& a, const std::vector<double>& b) {
  double worst = 0;
  for (std::size_t i = 0; i < b.size(); ++i) {
    const double d = std::abs(static_cast<double>(a.data()[i]) - b[i]);
    worst = d <= worst ? worst : d;  // this way round, NaN stays
  }
  return worst;
}

}  // namespace

TEST_CASE("layer_norm has the right gradients: affine or not, one row, any width") {
  for (const bool affine : {true, false})
    for (const Shape& shape : {Shape{1, 5}, Shape{7}, Shape{4, 1}, Shape{3, 2, 2, 8}, Shape{2, 19}, Shape{300, 3}}) {
      CAPTURE(affine, shape.size(), shape[0]);
      std::vector<Variable<double>> inputs{input(shape, 1, 0.5), {}, {}};
      if (affine) inputs[1] = input({shape[shape.size() - 1]}, 2), inputs[2] = input({shape[shape.size() - 1]}, 3);
      CHECK(gradcheck([](Inputs in) { return layer_norm(in[0], in[1], in[2], 1e-3); }, inputs) == "");
    }
  CHECK(gradcheck([](Inputs in) { return layer_norm(in[0], in[1], in[2]); },
                  {input({2, 3}, 4), input({3}, 5), input({3}, 6)}, {.full_jacobian = true}) == "");
}

TEST_CASE("group_norm has the right gradients: groups from 1 to channels, affine, residual, ReLU, one row") {
  for (const bool affine : {true, false})
    for (const bool with_residual : {true, false})
      for (const bool relu : {true, false})
        for (const Index groups : {1, 2, 6})
          for (const Shape& shape : {Shape{3, 6}, Shape{1, 2, 3, 6}, Shape{2, 20, 20, 6}}) {
            CAPTURE(affine, with_residual, relu, groups, shape.size());
            std::vector<Variable<double>> inputs{input(shape, 1, 0.5), {}, {}, {}};
            if (affine) inputs[1] = input({6}, 2, 2.0), inputs[2] = input({6}, 3);
            if (with_residual) inputs[3] = input(shape, 4);
            const auto f = [&](Inputs in) {
              return group_norm(in[0], in[1], in[2], {.groups = groups, .epsilon = 1e-3, .relu = relu}, in[3]);
            };
            CHECK(gradcheck(f, inputs, {.step = 1e-5, .tolerance = 1e-5}) == "");
          }
}

TEST_CASE("layer_norm and group_norm agree with plain loops, also far from zero") {
  isa::on_every_one([] {
    for (const std::size_t width : {1U, 3U, 4U, 15U, 16U, 17U, 33U, 96U, 700U})
      for (const double offset : {0.0, 1000.0}) {
        CAPTURE(width, offset);
        const Tensor<float> x = random_tensor<float>({9, 2, width}, 1, offset);
        const double tolerance = offset > 0 ? 2e-3 : 5e-6;
        const auto rows = normalised(x, 18, [&](std::size_t i) { return i / width; });
        CHECK(largest_difference(layer_norm(Variable<float>(x)).value(), rows) <= tolerance);
        const std::size_t groups = width % 3 == 0 && width > 3 ? 3 : 1;  // of two values, rounding is all there is
        const auto grouped = normalised(
            x, 9 * groups, [&](std::size_t i) { return i / (2 * width) * groups + i % width / (width / groups); });
        const Variable<float> y = group_norm<float>(Variable<float>(x), {}, {}, {.groups = static_cast<Index>(groups)});
        CHECK(largest_difference(y.value(), grouped) <= tolerance);
      }
  });
}

TEST_CASE("group_norm fuses what the ops apart compute") {
  const Variable<float> x(random_tensor<float>({4, 5, 3, 12}, 1)), residual(random_tensor<float>({4, 5, 3, 12}, 2));
  const Variable<float> gamma(random_tensor<float>({12}, 3)), beta(random_tensor<float>({12}, 4));
  const Tensor<float> fused = group_norm(x, gamma, beta, {.groups = 4, .relu = true}, residual).value();
  const Tensor<float> apart = relu(add(group_norm(x, gamma, beta, {.groups = 4}), residual)).value();
  for (std::size_t i = 0; i < fused.size(); ++i) REQUIRE(fused.data()[i] == Approx(apart.data()[i]).margin(1e-6));
}

TEST_CASE("layer_norm and group_norm have the same bits with any number of threads") {
  const Tensor<float> values = random_tensor<float>({13, 21, 17, 24}, 1);
  const int before = num_threads();
  std::vector<Tensor<float>> reference;
  for (const int threads : {1, 2, 3}) {
    set_num_threads(threads);
    std::vector<Tensor<float>> result;
    for (const bool layer : {true, false}) {
      const Variable<float> x(values, true), gamma(random_tensor<float>({24}, 2), true),
          beta(random_tensor<float>({24}, 3), true);
      const Variable<float> y = layer ? layer_norm(x, gamma, beta) : group_norm(x, gamma, beta, {.groups = 6});
      y.backward(random_tensor<float>(values.shape(), 4));
      for (const Tensor<float>& t : {y.value(), x.grad(), gamma.grad(), beta.grad()}) result.push_back(t);
    }
    if (threads == 1) reference = result;
    CAPTURE(threads);
    for (std::size_t i = 0; i < result.size(); ++i) CHECK((result[i] == reference[i]));
  }
  set_num_threads(before);
}

TEST_CASE("layer_norm and group_norm reject shapes that do not fit") {
  const Variable<float> x(zeros<float>({2, 6})), wrong(zeros<float>({5})), right(zeros<float>({6}));
  CHECK_THROWS_AS(layer_norm(x, wrong, wrong), std::invalid_argument);
  CHECK_THROWS_AS(layer_norm(x, right), std::invalid_argument);
  CHECK_THROWS_AS(layer_norm(x, right, right, 0.0), std::invalid_argument);
  CHECK_THROWS_AS(layer_norm(Variable<float>(zeros<float>({2, 0}))), std::invalid_argument);
  CHECK_THROWS_AS(group_norm(x, right, right, {.groups = 4}), std::invalid_argument);
  CHECK_THROWS_AS(group_norm(x, right, right, {.groups = 0}), std::invalid_argument);
  CHECK_THROWS_AS(group_norm(x, wrong, wrong, {}), std::invalid_argument);
  CHECK_THROWS_AS(group_norm(x, right, right, {}, right), std::invalid_argument);
  CHECK_THROWS_AS(group_norm(right, right, right, {}), std::invalid_argument);
  CHECK(group_norm(Variable<float>(zeros<float>({0, 6})), right, right).shape() == Shape{0, 6});
  CHECK(layer_norm(Variable<float>(zeros<float>({0, 6})), right, right).shape() == Shape{0, 6});
}

TEST_CASE("gelu in float is that of double, at every length and far out") {
  isa::on_every_one([] {
    for (const std::size_t n : {1U, 3U, 8U, 15U, 16U, 17U, 40U, 20001U}) {
      CAPTURE(n);
      Tensor<float> x = random_tensor<float>({n}, n);
      for (float& v : x.storage()) v *= 4.0F;
      x.data()[0] = n % 2 == 0 ? -100.0F : 30.0F;
      const Variable<float> in(x, true);
      const Variable<float> y = gelu(in);
      y.backward(full<float>({n}, 1.0F));
      double value = 0, slope = 0;
      for (std::size_t i = 0; i < n; ++i) {
        const auto v = static_cast<double>(x.data()[i]);
        const double cdf = 0.5 * std::erfc(-v / std::sqrt(2.0));
        const double density = std::exp(-0.5 * v * v) * 0.3989422804014327;
        value = std::max(value, std::abs(static_cast<double>(y.value().data()[i]) - v * cdf) / (1 + std::abs(v)));
        slope = std::max(slope, std::abs(static_cast<double>(in.grad().data()[i]) - cdf - v * density));
      }
      CHECK(value <= 4e-7);
      CHECK(slope <= 2e-6);
    }
    Tensor<float> nan = full<float>({17}, 1.0F);
    nan.data()[3] = nan.data()[16] = std::numeric_limits<float>::quiet_NaN();
    const Tensor<float> y = gelu(Variable<float>(nan)).value();
    for (std::size_t i = 0; i < 17; ++i) CHECK(std::isnan(y.data()[i]) == (i == 3 || i == 16));
  });
}
